"""Stored objects that must be read."""

from __future__ import annotations

from format_bytes import address
from object_writer import ACTIVE, OLD_REF, RECOMMENDED, SEALED_PARTS, STAGED, Written, shown

JSON_CORNERS = {
    "": [[], {}, ""],
    "big": 10**40,
    "floats": [0.1, -0.0, 1e300, 5e-324],
    "lone surrogate": "\ud800",
    "text": "\u00e9 \U0001f600 \u0000",
    "nested": [[[[[[[["deep"]]]]]]]],
}


def accept():
    yield from stacks()
    yield from addresses()
    yield from values()
    yield from keys()
    yield from drifted()


def stacks():
    names = {
        "recommended": RECOMMENDED,
        "encrypt_before_compress": ("cobblestone256", "zstd", "chunk"),
        "seal_after_split": SEALED_PARTS,
        "seal_alone": ("cobblestone256",),
        "pad_and_seal_after_split": ("chunk", "padme", "cobblestone256"),
        "seals_on_both_sides": ("cobblestone256", "chunk", "cobblestone256"),
        "two_seals": ("cobblestone256", "cobblestone256"),
        "unsealed": ("zstd", "padme"),
        "unsealed_zstd_after_split": ("chunk", "zstd"),
        "unsealed_padme": ("padme",),
        "unsealed_chunk": ("chunk",),
        "no_layers": (),
    }
    for name, layers in names.items():
        yield name, Written(layers).accepted()
        if "chunk" in layers:
            yield f"{name}_in_parts", Written(layers, part_bytes=100).accepted()
    inline = Written(("zstd", "padme", "cobblestone256"), alias="ref", inline=True)
    yield "inline", inline.accepted()
    yield "inline_unsealed", inline.with_(names=()).accepted()
    yield "inline_with_a_split_that_left_it_whole", inline.with_(names=RECOMMENDED).accepted()


def addresses():
    region = [*address()["fields"], ["region_id", "loop"], ["region_index", "0"]]
    cases = {
        "asset_name": address("asset", [["name", "orders"]]),
        "asset_uri": address("asset", [["uri", "s3://bucket/orders"]]),
        "asset_id": address("asset", [["asset_id", "7"]]),
        "mapped_task": address(map_index=3),
        "xcom": address("xcom"),
        "region": address(fields=region),
        "names_in_unicode": address(key="\u00e9/\U0001f600"),
    }
    for name, where in cases.items():
        yield name, Written(where=where).accepted()
        yield f"{name}_unsealed", Written(("padme",), where).accepted()
    yield "mapped_task_in_parts", Written(SEALED_PARTS, cases["mapped_task"], part_bytes=100).accepted()
    yield "no_expected_address", Written().accepted(expect=None)


def values():
    for name, value in {"null": None, "empty_text": "", "corners": JSON_CORNERS}.items():
        yield f"json_{name}", Written(value=value).accepted()
    for name, value in {"empty": b"", "bytes": bytes(range(256)), "a_full_chunk": b"r" * 40_000}.items():
        yield f"raw_{name}", Written(value=value).accepted()
    yield "raw_in_parts", Written(SEALED_PARTS, value=bytes(range(256)) * 2, part_bytes=200).accepted()
    yield "raw_beyond_one_chunk", Written(("cobblestone256",), value=bytes(range(128)) * 129).accepted()


def keys():
    yield "active_data_key", Written(data_key=ACTIVE).accepted()
    yield "staged_data_key", Written(data_key=STAGED).accepted()
    yield "active_ref_key", Written(ref_key=OLD_REF).accepted()


def drifted():
    """Yield objects whose header has another manifest than the ref, of no lower strength."""
    old = Written(("zstd", "cobblestone256"))
    yield "older_ref_to_other_layers", old.accepted(stores={"main": shown(Written().objects())})
    parts = Written(SEALED_PARTS, part_bytes=100)
    yield "older_ref_to_parts", old.accepted(stores={"main": shown(parts.objects())})
    two = Written(("cobblestone256", "zstd", "cobblestone256"))
    yield "older_ref_to_more_seals", old.accepted(stores={"main": shown(two.objects())})
    yield "sealed_more_than_required", Written().accepted(required=0)
    stores = {"main": shown(Written().objects()), "other": {}, "ref": None}
    yield "other_stores_beside", Written().accepted(stores=stores)
    leftover = Written(SEALED_PARTS, part_bytes=100, label="an older write").objects()
    both = {**leftover, **Written(SEALED_PARTS, part_bytes=100).objects()}
    yield "parts_of_an_older_generation_beside", parts.accepted(stores={"main": shown(both)})
