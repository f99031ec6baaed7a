"""The independent reader opens every vector that the format accepts, to the fields that it states."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from independent.address import Place, check_address, head_locator, part_locator, place_of
from independent.keyring import parse_keyring
from independent.layers import check_part_bytes, decode_padme, decode_zstd, open_cobblestone256
from independent.manifest import parse_manifest
from independent.notation import expand, mac
from independent.reader import read_by_address, unwrap
from independent.ref import parse_ref
from independent.stored import binding, part_binding, unpack_address, unpack_envelope, unpack_head, unpack_payload
from independent.vector_files import families, join_runs, load, paths, read_object, to_address, to_fact, to_stores

__all__ = []


def _open_keyring(vector):
    keyring = parse_keyring(vector["document"])
    assert (keyring.deployment, keyring.epoch) == (vector["deployment"], vector["epoch"])
    assert keyring.id_key.key_id.hex() == vector["keyring_id"]
    fields = ("role", "status", "created_at")
    keys = [{name: getattr(key, name) for name in fields} | {"key_id": key.key_id.hex()} for key in keyring.keys]
    assert keys == vector["keys"]
    message = bytes.fromhex(vector["message"])
    ref_secret = keyring.secret("ref", bytes.fromhex(vector["ref_key_id"]))
    assert mac(expand(keyring.id_key.secret, "id/mac", 32), message).hex() == vector["mac_id"]
    assert mac(expand(ref_secret, "ref/mac", 32), message).hex() == vector["mac_ref"]
    value_key = unwrap(keyring, bytes.fromhex(vector["data_key_id"]), bytes.fromhex(vector["wrapped_key"]))
    assert value_key.hex() == vector["value_key"]


def _open_ref(vector):
    ref = parse_ref(vector["ref"], parse_keyring(vector["keyring"]))
    place = (ref.place.kind, ref.place.scope_id, ref.place.map_index, ref.place.key_id)
    assert place == (vector["kind"], vector["scope_id"], vector["map_index"], vector["key_id"])
    assert (ref.ref_key_id.hex(), ref.alias, ref.manifest) == (
        vector["ref_key_id"],
        vector["alias"],
        vector["manifest"],
    )
    assert (ref.body and ref.body.hex()) == vector["body"]


def _open_manifest(vector):
    entries = parse_manifest(vector["text"])
    spelt = [[entry.name, entry.version, [list(param) for param in entry.params]] for entry in entries]
    assert spelt == vector["entries"]


def _open_envelope(vector):
    envelope = unpack_envelope(bytes.fromhex(vector["object"]))
    assert (envelope.shape, envelope.manifest) == (vector["shape"], vector["manifest"])
    assert envelope.facts == tuple(map(to_fact, vector["facts"]))
    assert envelope.payload.hex() == vector["payload"]


def _open_head(vector):
    head = unpack_head(bytes.fromhex(vector["record"]))
    assert head.generation.hex() == vector["generation"]
    assert (head.part_count, head.size_bytes) == (vector["part_count"], vector["size_bytes"])


def _open_lead(vector):
    payload = unpack_payload(bytes.fromhex(vector["payload"]))
    assert payload.codec == vector["codec"]
    assert unpack_address(payload.record) == to_address(vector["address"])
    assert payload.value.hex() == vector["value"]


def _part(part):
    if isinstance(part, list):
        generation, number, last = part
        return part_binding(bytes.fromhex(generation), number, last=last)
    return (part or "").encode()


def _open_binding(vector):
    place = Place(vector["kind"], vector["scope_id"], vector["map_index"], vector["key_id"])
    bound = binding(to_fact(vector["facts"]), vector["manifest"], vector["deployment"], place, _part(vector["part"]))
    assert bound.hex() == vector["binding"]


def _open_locator(vector):
    address = to_address(vector["address"])
    check_address(address, "AddressError")
    place = place_of(address, parse_keyring(vector["keyring"]))
    assert (place.scope_id, place.key_id) == (vector["scope_id"], vector["key_id"])
    assert head_locator(place) == vector["head"]
    assert part_locator(place, bytes.fromhex(vector["generation"]), vector["number"]) == vector["part"]


def _open_zstd(vector):
    assert decode_zstd(join_runs(vector["encoded"])) == join_runs(vector["plain"])


def _open_padme(vector):
    assert decode_padme(join_runs(vector["encoded"])) == join_runs(vector["plain"])


def _open_cobblestone256(vector):
    sealed = bytes.fromhex(vector["sealed"])
    plain = open_cobblestone256(bytes.fromhex(vector["value_key"]), bytes.fromhex(vector["binding"]), sealed)
    assert plain == join_runs(vector["plain"])
    assert sealed[:24].hex() == vector["salt"]
    assert len(sealed) == 72 + len(plain) + 16 * (len(plain) // 16_384)


def _open_chunk(vector):
    check_part_bytes(vector["part_bytes"])
    parts = [join_runs(part) for part in vector["parts"]]
    assert b"".join(parts) == join_runs(vector["plain"])
    assert all(len(part) == vector["part_bytes"] for part in parts[:-1])
    assert all(1 <= len(part) <= vector["part_bytes"] for part in parts[-1:])


def _open_object(vector):
    stores = to_stores(vector["stores"])
    values = [read_object(vector)]
    if all(stores.values()):
        address = to_address(vector["address"])
        values.append(read_by_address(address, vector["keyring"], stores, vector["required"]))
    for value in values:
        spelt = value.value.hex() if isinstance(value.value, bytes) else value.value
        assert (value.codec, value.address) == (vector["codec"], to_address(vector["address"]))
        # Compared as text, because 1, 1.0 and true are equal in Python.
        assert json.dumps(spelt) == json.dumps(vector["value"])


_OPENERS = {
    "keyring": _open_keyring,
    "ref": _open_ref,
    "manifest": _open_manifest,
    "envelope": _open_envelope,
    "head": _open_head,
    "lead": _open_lead,
    "binding": _open_binding,
    "locator": _open_locator,
    "zstd": _open_zstd,
    "padme": _open_padme,
    "cobblestone256": _open_cobblestone256,
    "chunk": _open_chunk,
    "object": _open_object,
}


def test_every_family_has_vectors_that_are_accepted():
    assert families("accept") == set(_OPENERS)


@pytest.mark.parametrize("path", paths("accept"))
def test_accepted_vector_is_read_to_the_fields_that_it_states(path):
    family, vector = load(path)
    _OPENERS[family](vector)


def test_reader_imports_nothing_of_the_code_that_writes():
    found = "import sys, independent.reader; sys.exit(any(name.startswith('lamella') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", found], cwd=Path(__file__).parents[1], check=True)
