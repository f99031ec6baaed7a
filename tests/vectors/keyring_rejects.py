"""The keyring documents that must be refused, one failure each, by reason."""

from __future__ import annotations

import base64

import msgpack
from keyring_documents import BASE, D1, I1, R1, armour, document, key, of_body, replaced, secret_of, with_tag

REASONS = (
    "canonical",
    "created-at",
    "deployment",
    "destroyed-secret",
    "duplicate",
    "epoch",
    "id-key",
    "key-fields",
    "key-id",
    "key-id-size",
    "msgpack",
    "prefix",
    "primary",
    "role",
    "secret-size",
    "shape",
    "spelling",
    "status",
    "tag",
    "version",
)


def reject():
    for reason, cases in (*reject_text(), *reject_body(), *reject_keys(), *reject_sets()):
        if reason not in REASONS:
            raise ValueError(reason)
        for name, text in cases.items():
            yield f"{reason}-{name}".replace("-", "_"), {"reason": reason, "document": text}


def reject_text():
    good = document().rstrip("\n")
    signed, _, tag = good.rpartition(":")
    prefix, body = "lamella-keyring:1:", signed.rpartition(":")[2]
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    yield (
        "prefix",
        {
            "empty": "",
            "json": '{"deployment": "vectors"}',
            "no_version": good.replace(":1:", ":", 1),
            "upper_case": good.replace("lamella", "Lamella", 1),
            "leading_space": " " + good,
            "byte_order_mark": "\ufeff" + good,
        },
    )
    yield (
        "version",
        {"two": with_tag("lamella-keyring:2:" + body), "leading_zero": with_tag("lamella-keyring:01:" + body)},
    )
    yield (
        "spelling",
        {
            "no_tag": signed,
            "two_tags": f"{good}:{tag}",
            "padded_body": with_tag(f"{prefix}{body}=="),
            "standard_alphabet": with_tag(f"{prefix}+{body}"),
            "short_tag": good[:-1],
            "two_line_feeds": good + "\n\n",
            "carriage_return": good + "\r\n",
            "trailing_space": good + " ",
            "empty_body": with_tag(prefix),
            "not_ascii": with_tag(f"{prefix}\u00e9{body}"),
        },
    )
    yield (
        "tag",
        {
            "altered": f"{signed}:{'A' if tag[0] != 'A' else 'B'}{tag[1:]}",
            "of_another_key": with_tag(signed, "another"),
            "spare_bits_set": good[:-1] + last[last.index(good[-1]) + 1],
            "status_edited": f"{edited_signed()}:{armour(stale_tag())}",
        },
    )


def edited_signed():
    keys = [*BASE, key("data", "D2", "active")]
    return document(keys=keys).rpartition(":")[0]


def stale_tag():
    keys = [*BASE, key("data", "D2", "disabled")]
    return base64.urlsafe_b64decode(document(keys=keys).strip().rpartition(":")[2] + "=")


def reject_body():
    packed = msgpack.packb(["vectors", 1, BASE])
    keys = msgpack.packb(BASE)
    spare = document(deployment="vectors1")
    body = spare.split(":")[2]
    yield (
        "msgpack",
        {
            "cut": of_body(packed[:-1]),
            "trailing_byte": of_body(packed + b"\x00"),
            "reserved_byte": of_body(b"\xc1"),
            "extension": of_body(b"\x93\xa7vectors\xd4\x05\x00" + keys),
            "empty_extension": of_body(b"\x93\xa7vectors\xc7\x00\x05" + keys),
            "timestamp": of_body(b"\x93\xa7vectors\xd6\xff\x00\x00\x00\x01" + keys),
            "map_of_one": of_body(b"\x93\xa7vectors\x01\x81\x01\x02"),
            "text_not_utf8": of_body(b"\x93\xa1\xff\x01" + keys),
            "text_too_long": document(deployment="a" * 65),
            "secret_too_long": document(keys=[replaced(D1, 4, secret_of("D1") + b"\x00"), R1, I1]),
            "513_keys_announced": of_body(b"\x93\xa7vectors\x01\xdc\x02\x01"),
            "one_character_left_over": with_tag("lamella-keyring:1:" + "kwAAA"),
        },
    )
    yield (
        "shape",
        {
            "not_an_array": of_body(b"\x01"),
            "two_fields": of_body(msgpack.packb(["vectors", 1])),
            "four_fields": of_body(msgpack.packb(["vectors", 1, BASE, 0])),
            "deployment_binary": document(deployment=b"vectors"),
            "epoch_true": document(epoch=True),
            "epoch_float": document(epoch=1.0),
            "epoch_text": document(epoch="1"),
            "keys_map": of_body(msgpack.packb(["vectors", 1, {}])),
            "keys_nil": document(keys=None),
        },
    )
    yield (
        "canonical",
        {
            "epoch_in_two_bytes": of_body(b"\x93\xa7vectors\xcc\x01" + keys),
            "text_with_long_header": of_body(b"\x93\xd9\x07vectors\x01" + keys),
            "array_with_long_header": of_body(b"\xdc\x00\x03\xa7vectors\x01" + keys),
            "spare_bits_set": with_tag("lamella-keyring:1:" + body[:-1] + chr(ord(body[-1]) + 1)) + "\n",
        },
    )


def reject_keys():
    yield (
        "deployment",
        {
            "empty": document(deployment=""),
            "upper_case": document(deployment="Vectors"),
            "leading_dot": document(deployment=".vectors"),
            "slash": document(deployment="vectors/1"),
            "line_feed": document(deployment="vectors\n"),
        },
    )
    yield "epoch", {"zero": document(epoch=0), "negative": document(epoch=-1), "too_large": document(epoch=2**63)}
    yield (
        "key-fields",
        {
            "four": document(keys=[D1[:4], R1, I1]),
            "six": document(keys=[[*D1, 0], R1, I1]),
            "key_is_text": document(keys=["data", R1, I1]),
            "created_at_true": document(keys=[replaced(D1, 2, value=True), R1, I1]),
            "secret_text": document(keys=[replaced(D1, 4, "a" * 32), R1, I1]),
            "key_id_text": document(keys=[replaced(D1, 3, "a" * 8), R1, I1]),
        },
    )
    yield "role", {"unknown": document(keys=[*BASE, replaced(D1, 0, "admin")])}
    yield "status", {"unknown": document(keys=[*BASE, replaced(key("data", "D2"), 1, "retired")])}
    yield (
        "created-at",
        {
            "negative": document(keys=[replaced(D1, 2, -1), R1, I1]),
            "year_10000": document(keys=[replaced(D1, 2, 253402300800), R1, I1]),
        },
    )
    yield (
        "secret-size",
        {
            "31_bytes": document(keys=[replaced(D1, 4, D1[4][:31]), R1, I1]),
            "empty_though_primary": document(keys=[replaced(D1, 4, b""), R1, I1]),
            "empty_though_disabled": document(keys=[*BASE, replaced(key("data", "D2", "disabled"), 4, b"")]),
        },
    )
    yield "destroyed-secret", {"kept": document(keys=[*BASE, replaced(key("data", "D2"), 1, "destroyed")])}


def reject_sets():
    second = key("data", "D2", "active")
    yield (
        "key-id",
        {
            "two_ids_swapped": document(keys=[replaced(D1, 3, second[3]), R1, I1, replaced(second, 3, D1[3])]),
            "secret_of_another_role": document(keys=[replaced(D1, 4, I1[4]), R1, I1]),
            "id_key_as_data_key": document(keys=[*BASE, replaced(replaced(I1, 0, "data"), 1, "active")]),
        },
    )
    yield (
        "key-id-size",
        {
            "ref_id_in_8_bytes": document(keys=[D1, replaced(R1, 3, R1[3] * 2), I1]),
            "data_id_in_4_bytes": document(keys=[replaced(D1, 3, D1[3][:4]), R1, I1]),
            "destroyed_without_id": document(keys=[*BASE, replaced(key("data", "D2", "destroyed"), 3, b"")]),
        },
    )
    yield (
        "duplicate",
        {
            "data_key": document(keys=[*BASE, key("data", "D1", "active")]),
            "destroyed_key": document(keys=[*BASE, key("data", "D2", "active"), key("data", "D2", "destroyed")]),
        },
    )
    yield (
        "primary",
        {
            "no_keys": document(keys=[]),
            "no_data": document(keys=[key("data", "D1", "active"), R1, I1]),
            "two_data": document(keys=[*BASE, key("data", "D2")]),
            "no_ref": document(keys=[D1, I1]),
            "two_ref": document(keys=[*BASE, key("ref", "R2")]),
            "id_only_active": document(keys=[D1, R1, key("id", "I1", "active")]),
            "two_id": document(keys=[*BASE, key("id", "I2")]),
        },
    )
    yield "id-key", {"second_one": document(keys=[*BASE, key("id", "I2", "active")])}
