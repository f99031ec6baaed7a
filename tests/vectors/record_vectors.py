"""Vectors of records and what holds them: envelopes, head records, leads and bindings."""

from __future__ import annotations

from format_bytes import DEPLOYMENT, address, binding, envelope, facts, lead, part_name, place, record
from keyring_documents import secret_of
from text_vectors import LONGEST

MANIFEST = "zstd.1+cobblestone256.1"
GENERATION = secret_of("generation")[:16]
HEADER = record([0, MANIFEST, facts(1, "envelope").pack()])


def accept_envelope():
    one = facts(1, "envelope")
    payload = bytes(range(32))
    changed = one._replace(position=255, suite=255, mode=255, flags=255, sealed_at=2**64 - 1)
    cases = {
        "whole": (0, MANIFEST, [one], payload),
        "head": (1, "zstd.1+chunk.1+cobblestone256.1", [facts(2, "envelope")], payload),
        "no_layers": (0, "-", [], payload),
        "empty_payload": (0, "zstd.1", [], b""),
        "two_seals": (0, "cobblestone256.1+cobblestone256.1", [facts(0, "envelope"), one], payload),
        "longest_manifest": (0, LONGEST, [], payload),
        "largest_facts": (0, MANIFEST, [changed], payload),
    }
    for name, (shape, manifest, blocks, behind) in cases.items():
        yield (
            name,
            {
                "object": (envelope(shape, manifest, blocks) + behind).hex(),
                "shape": shape,
                "manifest": manifest,
                "facts": [each.shown() for each in blocks],
                "payload": behind.hex(),
            },
        )


def enclosed(header, start=b"LMLA\x01"):
    return start + len(header).to_bytes(2, "big") + header


def reject_envelope():
    one, two = facts(0, "envelope"), facts(1, "envelope")
    good = enclosed(HEADER)
    blocks = one.pack() + two.pack()
    cases = {
        ("magic", "lower_case"): enclosed(HEADER, b"lmla\x01"),
        ("magic", "missing"): good[4:],
        ("magic", "json"): b'{"a": 1}',
        ("version", "zero"): enclosed(HEADER, b"LMLA\x00"),
        ("version", "two"): enclosed(HEADER, b"LMLA\x02"),
        ("cut", "empty"): b"",
        ("cut", "in_the_magic"): good[:3],
        ("cut", "in_the_header_length"): good[:6],
        ("cut", "before_the_header"): good[:7],
        ("cut", "in_the_header"): good[:-1],
        ("header-length", "4097"): enclosed(record([0, MANIFEST, bytes(4093 - len(record(MANIFEST)))])),
        ("fact-size", "75"): enclosed(record([0, MANIFEST, two.pack()[:-1]])),
        ("fact-size", "77"): enclosed(record([0, MANIFEST, two.pack() + b"\x00"])),
        ("fact-order", "twice"): envelope(0, MANIFEST, [two, two]),
        ("fact-order", "descending"): envelope(0, MANIFEST, [two, one]),
        ("shape", "two"): envelope(2, MANIFEST, [two]),
        ("shape", "negative"): envelope(-1, MANIFEST, [two]),
        ("manifest-length", "513"): envelope(0, "a" * 513, []),
        ("record", "of_2_fields"): enclosed(record([0, MANIFEST])),
        ("record", "of_4_fields"): enclosed(record([0, MANIFEST, blocks, 0])),
        ("record", "byte_left_over"): enclosed(HEADER + b"\x00"),
        ("record", "shape_false"): enclosed(record([False, MANIFEST, blocks])),
        ("record", "shape_float"): enclosed(record([0.0, MANIFEST, blocks])),
        ("record", "shape_in_two_bytes"): enclosed(b"\x93\xcc\x00" + HEADER[2:]),
        ("record", "shape_signed"): enclosed(b"\x93\xd0\x00" + HEADER[2:]),
        ("record", "array_with_long_header"): enclosed(b"\xdc\x00\x03" + HEADER[1:]),
        ("record", "manifest_binary"): enclosed(record([0, MANIFEST.encode(), blocks])),
        ("record", "manifest_not_utf8"): enclosed(b"\x93\x00\xa1\xff\xc4\x00"),
        ("record", "facts_text"): enclosed(record([0, MANIFEST, ""])),
        ("record", "map"): enclosed(record({0: MANIFEST})),
        ("record", "nil"): enclosed(b"\xc0"),
        ("record", "empty"): enclosed(b""),
    }
    for (reason, name), raw in cases.items():
        yield reason, name, {"object": raw.hex()}


def accept_head():
    cases = {
        "smallest": (1, 0),
        "one_byte": (1, 1),
        "as_many_parts_as_bytes": (300, 300),
        "most_parts": (131_072, 2**40),
        "largest_size": (2, 2**64 - 1),
    }
    for name, (part_count, size_bytes) in cases.items():
        made = record([GENERATION, part_count, size_bytes]).hex()
        yield (
            name,
            {"record": made, "generation": GENERATION.hex(), "part_count": part_count, "size_bytes": size_bytes},
        )


def reject_head():
    good = record([GENERATION, 3, 300])
    cases = {
        ("record", "empty"): b"",
        ("record", "cut"): good[:-1],
        ("record", "byte_left_over"): good + b"\x00",
        ("record", "of_2_fields"): record([GENERATION, 3]),
        ("record", "of_4_fields"): record([GENERATION, 3, 300, 0]),
        ("record", "generation_text"): record(["a" * 16, 3, 300]),
        ("record", "generation_with_long_header"): b"\x93\xc5\x00\x10" + good[3:],
        ("record", "count_true"): record([GENERATION, True, 300]),
        ("record", "count_in_two_bytes"): good.replace(b"\x03\xcd", b"\xcc\x03\xcd"),
        ("record", "size_float"): record([GENERATION, 3, 300.0]),
        ("record", "size_nil"): record([GENERATION, 3, None]),
        ("record", "extension"): b"\x93" + good[1:-3] + b"\xd4\x00\x00",
        ("generation", "of_15_bytes"): record([GENERATION[1:], 3, 300]),
        ("generation", "of_17_bytes"): record([GENERATION + b"\x00", 3, 300]),
        ("part-count", "zero"): record([GENERATION, 0, 0]),
        ("part-count", "negative"): record([GENERATION, -1, 300]),
        ("part-count", "more_than_bytes"): record([GENERATION, 301, 300]),
        ("part-count", "two_of_no_bytes"): record([GENERATION, 2, 0]),
        ("limit", "131073_parts"): record([GENERATION, 131_073, 2**40]),
        ("limit", "most_that_a_record_can_say"): record([GENERATION, 2**64 - 1, 2**64 - 1]),
    }
    for (reason, name), raw in cases.items():
        yield reason, name, {"record": raw.hex()}


def accept_lead():
    task = address()["fields"]
    region = [*task, ["region_id", ""], ["region_index", "0"]]
    cases = {
        "task": (0, address(), b'{"a":1}'),
        "raw": (1, address(), bytes(range(16))),
        "no_value": (1, address(), b""),
        "mapped_xcom": (0, address("xcom", map_index=7), b"1"),
        "region": (0, address(fields=region), b"1"),
        "asset_name": (0, address("asset", [["name", "orders"]]), b"1"),
        "asset_uri": (0, address("asset", [["uri", "s3://bucket/orders"]]), b"1"),
        "asset_id": (0, address("asset", [["asset_id", "7"]]), b"1"),
        "longest_text": (0, address(key="\U0001f600" * 4096), b"1"),
    }
    for name, (codec, where, value) in cases.items():
        payload = (lead(codec, where) + value).hex()
        yield name, {"payload": payload, "codec": codec, "address": where, "value": value.hex()}


def with_record(made):
    return b"\x00" + len(made).to_bytes(2, "big") + made


def of_fields(named, kind="task", map_index=-1):
    return with_record(record([kind, named, map_index, "cursor"]))


def reject_lead():
    good, task, where = lead(0, address()), [text for pair in address()["fields"] for text in pair], address()
    cases = {
        ("cut", "empty"): b"",
        ("cut", "in_the_length"): good[:2],
        ("cut", "in_the_record"): good[:-1],
        ("codec", "two"): b"\x02" + good[1:],
        ("codec", "255"): b"\xff" + good[1:],
        ("record", "empty"): with_record(b""),
        ("record", "of_3_fields"): with_record(record(["task", task, -1])),
        ("record", "byte_left_over"): with_record(good[3:] + b"\x00"),
        ("record", "map_index_in_two_bytes"): with_record(good[3:].replace(b"\xff\xa6", b"\xd0\xff\xa6")),
        ("record", "map_index_text"): of_fields(task, map_index="-1"),
        ("record", "fields_map"): of_fields(dict(where["fields"])),
        ("record", "field_nil"): of_fields([*task[:-1], None]),
        ("record", "field_binary"): of_fields([*task[:-1], b"load"]),
        ("record", "key_with_long_header"): with_record(good[3:].replace(b"\xa6cursor", b"\xd9\x06cursor")),
        ("kind", "unknown"): of_fields(task, kind="variable"),
        ("fields", "of_another_kind"): of_fields(task, kind="asset"),
        ("fields", "missing"): of_fields(task[2:]),
        ("fields", "without_value"): of_fields(task[:-1]),
        ("fields", "unknown"): of_fields([*task, "team", "a"]),
        ("fields", "twice"): of_fields([*task[:2], *task]),
        ("fields", "unsorted"): of_fields([*task[2:], *task[:2]]),
        ("fields", "region_index_leading_zero"): of_fields([*task, "region_index", "01"]),
        ("fields", "region_index_no_number"): of_fields([*task, "region_index", "one"]),
        ("fields", "asset_with_two"): of_fields(["name", "a", "uri", "b"], kind="asset"),
        ("fields", "asset_with_none"): of_fields([], kind="asset"),
        ("map-index", "of_an_asset"): of_fields(["name", "a"], kind="asset", map_index=0),
        ("map-index", "minus_two"): of_fields(task, map_index=-2),
        ("map-index", "2_to_the_31"): of_fields(task, map_index=2**31),
        ("text", "of_4097_characters"): with_record(record(["task", task, -1, "a" * 4097])),
    }
    for (reason, name), raw in cases.items():
        yield reason, name, {"payload": raw.hex()}


def accept_binding():
    split = "zstd.1+chunk.1+cobblestone256.1"
    mapped, largest = address(map_index=2**31 - 1), facts(255, "binding", sealed_at=2**64 - 1)
    cases = {
        "before_the_split": (MANIFEST, address(), None, facts(1, "binding")),
        "whole": (split, address(), "whole", facts(2, "binding")),
        "head": (split, address(), "head", facts(2, "binding")),
        "first_part": (split, address(), [GENERATION.hex(), 0, False], facts(2, "binding")),
        "last_part": (split, address(), [GENERATION.hex(), 131_071, True], facts(2, "binding")),
        "mapped_xcom": (MANIFEST, {**mapped, "kind": "xcom"}, None, facts(1, "binding")),
        "asset": (MANIFEST, address("asset", [["asset_id", "7"]]), None, facts(1, "binding")),
        "largest_numbers": (MANIFEST, mapped, None, largest._replace(suite=255, mode=255, flags=255)),
        "sealed_at_zero": (MANIFEST, address(), None, facts(1, "binding", sealed_at=0)),
    }
    for name, (manifest, where, part, block) in cases.items():
        spelled = part_name(GENERATION, part[1], last=part[2]) if isinstance(part, list) else (part or "").encode()
        rests = place(where)
        yield (
            name,
            {
                "deployment": DEPLOYMENT,
                "manifest": manifest,
                "facts": block.shown(),
                **rests._asdict(),
                "part": part,
                "binding": binding(manifest, rests, spelled, block).hex(),
            },
        )
