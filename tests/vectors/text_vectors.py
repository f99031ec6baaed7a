"""Vectors of what is text: refs, manifests and locators."""

from __future__ import annotations

from format_bytes import address, armour, place, ref_signed, tagged
from keyring_documents import BASE, D1, I1, R1, document, key, secret_of

SEALED = "zstd.1+padme.1+cobblestone256.1+chunk.1"
LONGEST = "+".join(["a23456789_123456789_123456789_12.255"] * 13) + "+" + "b" * 28 + ".11"
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
OLD, OFF, GONE = (key("ref", f"R {status}", status) for status in ("active", "disabled", "destroyed"))
KEYRING = document(keys=[*BASE, OLD, OFF, GONE])
TASK = place(address())
MAX_CHARS = 66_560


def accept_ref():
    kinds = {
        "task": address(),
        "mapped_task": address(map_index=2**31 - 1),
        "xcom": address("xcom"),
        "asset": address("asset", [["name", "orders"]]),
    }
    for name, where in kinds.items():
        yield name, shown_ref(place(where))
    yield "no_layers", shown_ref(TASK, manifest="-")
    yield "longest_manifest", shown_ref(TASK, manifest=LONGEST)
    yield "longest_alias", shown_ref(TASK, alias="a-b_0" + "z" * 27)
    yield "older_ref_key", shown_ref(TASK, ref_key=OLD)
    yield "body_of_one_byte", shown_ref(TASK, body=b"\xff")
    yield "body_of_all_characters", shown_ref(TASK, body=bytes(range(256)) + b"\x00")


def shown_ref(where, manifest=SEALED, alias="main", body=None, ref_key=R1):
    rest = f"{where.kind}:{where.text}" + ("" if body is None else f":{armour(body)}")
    return {
        "keyring": KEYRING,
        "ref": tagged(ref_signed(manifest, rest, alias, ref_key[3]), ref_key[4]),
        "ref_key_id": ref_key[3].hex(),
        "alias": alias,
        "manifest": manifest,
        **where._asdict(),
        "body": None if body is None else body.hex(),
    }


def reject_ref():
    for reason, cases in (*broken_starts(), *broken_tags(), *broken_fields()):
        for name, ref in cases.items():
            yield reason, name, {"keyring": KEYRING, "ref": ref}


def broken_starts():
    good = tagged(ref_signed(SEALED, TASK))
    body = "A" * 4
    short = len(tagged(ref_signed(SEALED, f"task:{TASK.text}:")))
    filled = body * ((MAX_CHARS - short) // 4 + 1)
    yield "prefix", {"empty": "", "json": '"lamella:1:"', "upper_case": "L" + good[1:], "leading_space": " " + good}
    yield "length", {"one_body_too_long": tagged(ref_signed(SEALED, f"task:{TASK.text}:{filled}"))}
    versions = {"two": "2", "leading_zero": "01", "empty": ""}
    yield "version", {name: tagged(ref_signed(SEALED, TASK, version=text)) for name, text in versions.items()}
    yield (
        "spelling",
        {
            "prefix_alone": "lamella:1:",
            "key_id_of_3_bytes": tagged(ref_signed(SEALED, TASK, key_id=R1[3][:3]), R1[4]),
            "key_id_upper_case": tagged(ref_signed(SEALED, TASK).replace(R1[3].hex(), R1[3].hex().upper())),
            "tag_one_character_short": good[:-1],
            "not_ascii": tagged(ref_signed(SEALED, f"task:{TASK.text}\u00e9")),
            "line_feed_at_the_end": good + "\n",
        },
    )


def broken_tags():
    signed = ref_signed(SEALED, TASK)
    good = tagged(signed)
    yield (
        "key",
        {
            "unknown": tagged(ref_signed(SEALED, TASK, key_id=bytes(4)), R1[4]),
            "disabled": tagged(ref_signed(SEALED, TASK, key_id=OFF[3]), OFF[4]),
            "destroyed": tagged(ref_signed(SEALED, TASK, key_id=GONE[3]), secret_of("R destroyed")),
        },
    )
    yield (
        "tag",
        {
            "first_character": signed + ("B" if good[-43] == "A" else "A") + good[-42:],
            "unused_bits_set": good[:-1] + BASE64URL[BASE64URL.index(good[-1]) + 1],
            "padding_sign": good[:-1] + "=",
            "of_another_ref_key": tagged(signed, OLD[4]),
            "of_the_id_key": tagged(signed, I1[4]),
            "of_a_data_key": tagged(signed, D1[4]),
            "seal_stripped": ref_signed("zstd.1", TASK) + good[-43:],
            "other_alias": ref_signed(SEALED, TASK, alias="other") + good[-43:],
            "other_key": ref_signed(SEALED, place(address(key="other"))) + good[-43:],
            "body_added": ref_signed(SEALED, f"task:{TASK.text}:AAAA") + good[-43:],
        },
    )


def broken_fields():
    scope_id, key_id = TASK.scope_id, TASK.key_id
    places = {
        "kind_unknown": f"variable:{TASK.text}",
        "kind_upper_case": f"Task:{TASK.text}",
        "index_minus_two": f"task:{scope_id}/-2/{key_id}",
        "index_leading_zero": f"task:{scope_id}/01/{key_id}",
        "index_of_11_digits": f"task:{scope_id}/10000000000/{key_id}",
        "index_missing": f"task:{scope_id}/{key_id}",
        "scope_id_upper_case": f"task:{scope_id.upper()}/-1/{key_id}",
        "scope_id_of_15_bytes": f"task:{scope_id[2:]}/-1/{key_id}",
        "key_id_is_a_path": f"task:{scope_id}/-1/../{key_id}",
        "body_empty": f"task:{TASK.text}:",
        "body_padded": f"task:{TASK.text}:AA==",
        "body_alphabet": f"task:{TASK.text}:A+/A",
        "two_bodies": f"task:{TASK.text}:AAAA:AAAA",
    }
    aliases = {"empty": "", "of_33_characters": "a" * 33, "upper_case": "Main", "is_a_url": "file///etc", "digit": "1a"}
    yield (
        "fields",
        {
            **{name: tagged(ref_signed(SEALED, rest)) for name, rest in places.items()},
            **{f"alias_{name}": tagged(ref_signed(SEALED, TASK, alias=alias)) for name, alias in aliases.items()},
            "manifest_empty": tagged(ref_signed("", TASK)),
        },
    )
    yield (
        "manifest",
        {
            "separator_at_the_end": tagged(ref_signed("zstd.1+", TASK)),
            "of_513_characters": tagged(ref_signed(LONGEST + "1", TASK)),
        },
    )
    yield (
        "body",
        {
            "unused_bits_set": tagged(ref_signed(SEALED, f"task:{TASK.text}:_x")),
            "one_character_left_over": tagged(ref_signed(SEALED, f"task:{TASK.text}:AAAAA")),
        },
    )


def accept_manifest():
    every_character = "az09-_AZ" * 8
    yield "empty", {"text": "-", "entries": []}
    yield "one", {"text": "zstd.1", "entries": [["zstd", 1, []]]}
    yield "recommended", {"text": SEALED, "entries": [[each.split(".")[0], 1, []] for each in SEALED.split("+")]}
    yield "version_255", {"text": "zstd.255", "entries": [["zstd", 255, []]]}
    yield "same_layer_twice", {"text": "a.1+a.1", "entries": [["a", 1, []], ["a", 1, []]]}
    yield (
        "params",
        {
            "text": f"a_1.10~b=-~b1={every_character}~b_=0",
            "entries": [["a_1", 10, [["b", "-"], ["b1", every_character], ["b_", "0"]]]],
        },
    )
    longest = [[each.split(".")[0], int(each.split(".")[1]), []] for each in LONGEST.split("+")]
    yield "longest", {"text": LONGEST, "entries": longest}


def reject_manifest():
    grammar = {
        "empty": "",
        "no_version": "zstd",
        "version_zero": "zstd.0",
        "version_leading_zero": "zstd.01",
        "version_not_ascii": "zstd.\u0661",
        "version_of_4_digits": "zstd.1000",
        "name_upper_case": "Zstd.1",
        "name_leading_digit": "7z.1",
        "name_hyphen": "z-std.1",
        "name_of_33_characters": "a" * 33 + ".1",
        "separator_first": "+zstd.1",
        "separator_twice": "zstd.1++padme.1",
        "empty_manifest_and_layer": "-+zstd.1",
        "space": "zstd.1 ",
        "line_feed": "zstd.1\n",
        "param_without_value": "zstd.1~a=",
        "param_without_sign": "zstd.1~a",
        "param_value_of_65_characters": "zstd.1~a=" + "b" * 65,
        "param_value_dot": "zstd.1~a=b.c",
        "param_empty": "zstd.1~",
        "import_path": "os:system.1",
    }
    for name, text in grammar.items():
        yield "grammar", name, {"text": text}
    yield "length", "513_characters", {"text": LONGEST + "1"}
    yield "version", "256", {"text": "zstd.256"}
    yield "params", "unsorted", {"text": "zstd.1~b=1~a=1"}
    yield "params", "digit_before_end", {"text": "zstd.1~b1=1~b=1"}
    yield "params", "twice", {"text": "zstd.1~a=1~a=1"}


def accept_locator():
    task = address()["fields"]
    region = [*task, ["region_id", "loop"], ["region_index", "-1"]]
    cases = {
        "task": address(),
        "xcom": address("xcom"),
        "mapped_task": address(map_index=0),
        "largest_map_index": address(map_index=2**31 - 1),
        "region": address(fields=region),
        "region_index_alone": address(fields=[*task, ["region_index", "2147483647"]]),
        "empty_texts": address(fields=[["dag_id", ""], ["run_id", ""], ["task_id", ""]], key=""),
        "separators": address(fields=[["dag_id", "a/b|c"], ["run_id", "\x00"], ["task_id", ".."]], key="../\n"),
        "composed_text": address(key="\u00e9"),
        "decomposed_text": address(key="e\u0301"),
        "beyond_the_basic_plane": address(key="\U0001f600"),
        "longest_text": address(key="\U0001f600" * 4096),
        "asset_name": address("asset", [["name", "orders"]]),
        "asset_uri": address("asset", [["uri", "s3://bucket/orders"]]),
        "asset_id": address("asset", [["asset_id", "9223372036854775807"]]),
    }
    for number, (name, where) in enumerate(cases.items()):
        rests, generation = place(where), secret_of(f"generation of {name}")[:16]
        yield (
            name,
            {
                "keyring": document(),
                "address": where,
                "scope_id": rests.scope_id,
                "key_id": rests.key_id,
                "head": rests.head,
                "generation": generation.hex(),
                "number": number,
                "part": rests.part(generation, number),
            },
        )


def reject_locator():
    task = address()["fields"]
    cases = {
        ("text", "key_of_4097_characters"): address(key="a" * 4097),
        ("text", "dag_id_of_4097_characters"): address(fields=[["dag_id", "a" * 4097], *task[1:]]),
        ("surrogate", "key"): address(key="\ud800"),
        ("surrogate", "asset_name"): address("asset", [["name", "a\udfff"]]),
        ("index", "map_index_minus_two"): address(map_index=-2),
        ("index", "map_index_2_to_the_31"): address(map_index=2**31),
        ("index", "region_index_minus_two"): address(fields=[*task, ["region_index", "-2"]]),
        ("index", "asset_id_minus_one"): address("asset", [["asset_id", "-1"]]),
        ("index", "asset_id_2_to_the_63"): address("asset", [["asset_id", str(2**63)]]),
        ("identity", "none"): {**address("asset"), "fields": []},
    }
    for (reason, name), where in cases.items():
        yield reason, name, {"address": where}
