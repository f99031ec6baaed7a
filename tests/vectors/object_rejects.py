"""Stored objects that must be refused, one failure each."""

from __future__ import annotations

from format_bytes import address, binding, envelope, lead, part_name, seal, value_key
from keyring_documents import D1, secret_of
from object_writer import DESTROYED, DISABLED, SEALED_PARTS, Written, shown

SMALL = Written()
SPLIT = Written(SEALED_PARTS, part_bytes=50)
CLEAR_HEAD = Written(part_bytes=100)
PLAIN = Written(("padme",))
PLAIN_PARTS = Written(("chunk",), part_bytes=100)
OTHER = address(key="other")
WRAPPED_AT = 12


def reject():
    for cases in (refused_before_the_fetch(), headers(), keys(), sealed(), unsealed(), parts()):
        for (reason, name), vector in cases.items():
            yield reason, name, vector


def with_object(written, raw, **changes):
    """Return the vector whose whole value, or head, is `raw`."""
    objects = {**written.objects(), written.place.head: raw}
    return written.vector(stores={"main": shown(objects)}, **changes)


def whole(written):
    return written.objects()[written.place.head]


def replaced(raw, at, new):
    at %= len(raw)
    return raw[:at] + new + raw[at + len(new) :]


def flipped(raw, at):
    return replaced(raw, at, bytes([raw[at] ^ 1]))


def refused_before_the_fetch():
    def refs(*names):
        return {**SMALL.vector(), "ref": Written(names).ref()}

    inline = SMALL.with_(inline=True, alias="ref")
    stripped = Written(("zstd", "padme", "chunk"))
    return {
        ("mismatch", "key"): SMALL.vector(expect=OTHER),
        ("mismatch", "map_index"): SMALL.vector(expect=address(map_index=0)),
        ("mismatch", "kind"): SMALL.vector(expect=address("xcom")),
        ("mismatch", "task"): SMALL.vector(expect=address(fields=[*address()["fields"][:2], ["task_id", "other"]])),
        ("layers", "17"): refs(*["padme"] * 16, "cobblestone256"),
        ("layers", "unknown"): refs("brotli", "cobblestone256"),
        ("layers", "two_splits"): refs("chunk", "cobblestone256", "chunk"),
        ("policy", "unsealed_ref"): stripped.vector(required=200),
        ("policy", "higher_class_required"): SMALL.vector(required=201),
        ("store", "unknown_alias"): SMALL.vector(ref=SMALL.with_(alias="other").ref()),
        ("store", "body_of_a_store_that_keeps_objects"): SMALL.vector(ref=SMALL.ref(whole(SMALL))),
        ("store", "no_body_of_an_inline_store"): inline.vector(ref=inline.with_(inline=False).ref()),
        ("missing", "whole"): SMALL.vector(stores={"main": {}}),
        ("missing", "head"): SPLIT.vector(
            stores={"main": {name: raw for name, raw in shown(SPLIT.objects()).items() if name[0] == "p"}}
        ),
    }


def headers():
    good, stripped = whole(SMALL), Written(("zstd", "padme", "chunk"))
    payload = good[len(SMALL.envelope(0, b"")) :]
    block = SMALL.facts(2)
    altered = {
        "sealed_at": block._replace(sealed_at=block.sealed_at + 1),
        "hedge": block._replace(hedge=flipped(block.hedge, 0)),
        "suite": block._replace(suite=2),
        "mode": block._replace(mode=1),
        "flags": block._replace(flags=1),
        "position": block._replace(position=1),
    }
    two = Written(("cobblestone256", "chunk", "cobblestone256"))
    reordered = Written(("padme", "zstd", "cobblestone256", "chunk")).manifest
    return {
        ("envelope", "magic"): with_object(SMALL, b"X" + good[1:]),
        ("version", "newer"): with_object(SMALL, replaced(good, 4, b"\x02")),
        ("envelope", "plaintext"): with_object(SMALL, b'{"cursor":42}'),
        ("envelope", "empty"): with_object(SMALL, b""),
        ("layers", "unknown_in_the_header"): with_object(SMALL, envelope(0, "zstd.2+cobblestone256.1", [block])),
        ("policy", "stripped_seal"): with_object(SMALL, whole(stripped)),
        ("floor", "stripped_seal"): with_object(SMALL, whole(stripped), required=0),
        ("floor", "one_seal_of_two"): with_object(two, whole(SMALL)),
        ("floor", "other_layers_unsealed"): with_object(PLAIN, whole(Written(()))),
        ("floor", "sealed_behind_an_unsealed_ref"): with_object(PLAIN, whole(SMALL)),
        ("facts", "missing"): with_object(SMALL, envelope(0, SMALL.manifest, []) + payload),
        ("facts", "one_too_many"): with_object(SMALL, envelope(0, SMALL.manifest, [SMALL.facts(1), block]) + payload),
        ("facts", "of_an_unsealed_object"): with_object(PLAIN, envelope(0, "padme.1", [SMALL.facts(0)])),
        ("facts", "other_manifest"): with_object(SMALL, envelope(0, reordered, [block]) + payload),
        **{
            ("facts", name): with_object(SMALL, envelope(0, SMALL.manifest, [each]) + payload)
            for name, each in altered.items()
        },
    }


def keys():
    good, other = whole(SMALL), whole(SMALL.with_(label="another value"))
    at = len(SMALL.envelope(0, b"")) - 76 + WRAPPED_AT
    unknown = [*D1[:3], bytes(8), D1[4]]
    gone = [*DESTROYED[:4], secret_of("D destroyed")]
    return {
        ("key", "unknown"): SMALL.with_(data_key=unknown).vector(),
        ("key", "disabled"): SMALL.with_(data_key=DISABLED).vector(),
        ("key", "destroyed"): SMALL.with_(data_key=gone).vector(),
        ("key", "unknown_of_parts"): SPLIT.with_(data_key=unknown).vector(),
        ("wrapped-key", "altered"): with_object(SMALL, flipped(good, at)),
        ("wrapped-key", "of_another_value"): with_object(SMALL, replaced(good, at, other[at : at + 40])),
    }


def sealed():
    good, other = whole(SMALL), SMALL.with_(where=OTHER)
    ending = {"tag": flipped(good, -1), "cut": good[:-1], "extended": good + b"\x00"}
    inline = SMALL.with_(inline=True, alias="ref")
    xcom = SMALL.with_(where=address("xcom"))
    return {
        **{(reason, "whole"): with_object(SMALL, raw) for reason, raw in ending.items()},
        **{(reason, "inline"): inline.vector(ref=inline.ref(raw)) for reason, raw in ending.items()},
        ("tag", "commitment"): with_object(SMALL, flipped(good, len(SMALL.envelope(0, b"")) + 24)),
        ("cut", "behind_the_header"): with_object(SMALL, SMALL.envelope(0, b"")),
        ("moved", "to_another_key"): with_object(SMALL, whole(other)),
        ("moved", "to_another_map_index"): with_object(SMALL, whole(SMALL.with_(where=address(map_index=0)))),
        ("moved", "to_another_kind"): with_object(SMALL, whole(xcom)),
        ("moved", "part_to_whole"): with_object(SMALL, part_as_whole(), ref=SPLIT.ref()),
        ("json", "not_json"): with_object(SMALL, with_plain(SMALL, lead(0, SMALL.where) + b'{"a":NaN}')),
        ("json", "empty"): with_object(SMALL, with_plain(SMALL, lead(0, SMALL.where))),
        ("lead", "codec_two"): with_object(SMALL, with_plain(SMALL, b"\x02" + SMALL.plain()[1:])),
        ("lead", "cut"): with_object(SMALL, with_plain(SMALL, lead(0, SMALL.where)[:-1])),
        ("shape", "head_without_split"): with_object(
            Written(("cobblestone256",)), replaced(whole(Written(("cobblestone256",))), 8, b"\x01")
        ),
        ("shape", "head_in_a_ref"): inline.vector(ref=inline.ref(CLEAR_HEAD.head(2, 300))),
    }


def with_plain(written, plain):
    return written.envelope(0, written.encoded(0, written.split_at, plain, b""))


def part_as_whole():
    """Return an envelope of a whole value around the only part of a split one."""
    one = part_name(SPLIT.generation, 0, last=True)
    payload = SPLIT.encoded(0, SPLIT.split_at, SPLIT.plain(), b"")
    bound = binding(SPLIT.manifest, SPLIT.place, one, SPLIT.facts(2))
    return SPLIT.envelope(0, seal(value_key(f"{SPLIT.label} 2"), secret_of("salt")[:24], bound, payload))


def unsealed():
    good = whole(PLAIN)
    where = address("asset", [["name", "orders"]])
    mapped = {**where, "map_index": 0}
    return {
        ("address", "of_another_key"): with_object(PLAIN, whole(PLAIN.with_(where=OTHER))),
        ("address", "of_another_kind"): with_object(PLAIN, whole(PLAIN.with_(where=address("xcom")))),
        ("address", "no_address"): with_object(PLAIN, with_plain(PLAIN, b"\x00\x00\x00{}")),
        ("address", "asset_with_map_index"): with_object(
            PLAIN.with_(where=where), with_plain(PLAIN.with_(where=where), lead(0, mapped) + b"{}")
        ),
        ("cut", "padding"): with_object(PLAIN, good[:-1]),
        ("extended", "padding"): with_object(PLAIN, good + b"\x00"),
        ("shape", "head_of_no_split"): with_object(PLAIN, replaced(good, 8, b"\x01")),
        ("json", "unsealed"): with_object(PLAIN, with_plain(PLAIN, lead(0, PLAIN.where) + b"not json")),
    }


def parts():
    return {**altered_parts(SPLIT, "sealed"), **altered_parts(CLEAR_HEAD, "sealed_before"), **heads(), **plain_parts()}


def altered_parts(written, name):
    objects = written.objects()
    older = written.with_(label="an older write")
    first, second = (written.place.part(written.generation, number) for number in (0, 1))
    last = max(objects)
    of_older = older.objects()[older.place.part(older.generation, 0)]

    def changed(**stored):
        return written.vector(stores={"main": shown({**objects, **stored})})

    return {
        ("parts", f"{name}_swapped"): changed(**{first: objects[second], second: objects[first]}),
        ("parts", f"{name}_repeated"): changed(**{second: objects[first]}),
        ("parts", f"{name}_of_another_generation"): changed(**{first: of_older}),
        ("parts", f"{name}_missing"): written.vector(
            stores={"main": shown({where: raw for where, raw in objects.items() if where != last})}
        ),
        ("tag", f"{name}_part"): changed(**{first: flipped(objects[first], 60)}),
        ("cut", f"{name}_last_part"): changed(**{last: objects[last][:-1]}),
        ("extended", f"{name}_last_part"): changed(**{last: objects[last] + b"\x00"}),
    }


def heads():
    older = SPLIT.with_(label="an older write")
    record_at = len(SPLIT.envelope(1, b""))
    mixed = SPLIT.envelope(1, older.head(4, 400)[record_at:])
    unsplit = {**SPLIT.objects(), older.place.head: older.head(4, 400)}
    fewer = len(SPLIT.objects()) - 2
    size = sum(len(raw) - 72 for name, raw in SPLIT.objects().items() if name[0] == "p")
    return {
        ("generation", "head_of_another_write"): SPLIT.vector(stores={"main": shown(unsplit)}),
        ("generation", "head_record_of_another_write"): with_object(SPLIT, mixed),
        ("tag", "head_record"): with_object(SPLIT, flipped(whole(SPLIT), -1)),
        ("cut", "head_record"): with_object(SPLIT, whole(SPLIT)[:-1]),
        ("extended", "head_record"): with_object(SPLIT, whole(SPLIT) + b"\x00"),
        ("parts", "last_dropped_by_the_head"): with_object(SPLIT, SPLIT.head(fewer, size)),
        ("moved", "parts_and_head_to_another_key"): moved_parts(),
    }


def moved_parts():
    """Return the parts and the head of a value at the locators of another key."""
    source, target = SPLIT.with_(where=OTHER), SPLIT
    text = source.place.text, target.place.text
    return target.vector(stores={"main": shown({name.replace(*text): raw for name, raw in source.objects().items()})})


def plain_parts():
    objects = PLAIN_PARTS.objects()
    last = max(objects)
    size = sum(len(raw) for name, raw in objects.items() if name[0] == "p")
    count = len(objects) - 1
    clear = CLEAR_HEAD.objects()
    clear_size = sum(len(raw) for name, raw in clear.items() if name[0] == "p")
    return {
        ("parts", "plain_cut"): PLAIN_PARTS.vector(stores={"main": shown({**objects, last: objects[last][:-1]})}),
        ("parts", "plain_extended"): PLAIN_PARTS.vector(
            stores={"main": shown({**objects, last: objects[last] + b" "})}
        ),
        ("parts", "plain_size_in_the_head"): with_object(PLAIN_PARTS, PLAIN_PARTS.head(count, size + 1)),
        ("parts", "plain_last_dropped"): with_object(PLAIN_PARTS, PLAIN_PARTS.head(count - 1, size)),
        ("parts", "sealed_before_size_in_the_head"): with_object(
            CLEAR_HEAD, CLEAR_HEAD.head(len(clear) - 1, clear_size - 1)
        ),
    }
