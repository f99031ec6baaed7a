from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lamella.errors import KeyringError
from lamella.keys.document import pack, unpack
from lamella.keys.keyring import Keyring

_HERE = Path(__file__).parent
_ACCEPT = sorted((_HERE / "keyring" / "accept").glob("*.json"))
_REJECT = sorted((_HERE / "keyring" / "reject").glob("*.json"))

_MESSAGES = {
    "canonical": "not in canonical form",
    "created-at": "impossible time of creation",
    "deployment": "a deployment is named by",
    "destroyed-secret": "a secret although it is destroyed",
    "duplicate": "holds one key twice",
    "epoch": "impossible epoch",
    "id-key": "more than one id key",
    "key-fields": "its body does not hold the fields of a keyring",
    "key-id": "secret of another key",
    "key-id-size": "an id of the wrong size",
    "msgpack": "does not hold the fields of a keyring|a deployment is named by|not exactly 32 bytes",
    "prefix": "not a keyring document",
    "primary": "exactly one primary",
    "role": "unknown role",
    "secret-size": "not exactly 32 bytes",
    "shape": "its body does not hold the fields of a keyring",
    "spelling": "not spelled as body and tag",
    "status": "unknown status",
    "tag": "tag does not verify",
    "version": "upgrade Lamella",
}


def _read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", _ACCEPT, ids=lambda path: path.stem)
def test_accepted_document_says_what_the_vector_says(path):
    vector = _read(path)
    record = unpack(vector["document"])
    assert (record.deployment, record.epoch) == (vector["deployment"], vector["epoch"])
    assert record.keyring_id.hex() == vector["keyring_id"]
    assert [
        {"role": key.role, "status": key.status, "created_at": key.created_at, "key_id": key.key_id.hex()}
        for key in record.keys
    ] == vector["keys"]
    assert pack(record).rstrip("\n") == vector["document"].rstrip("\n")


@pytest.mark.parametrize("path", _ACCEPT, ids=lambda path: path.stem)
def test_sub_keys_are_those_of_the_format(path):
    vector = _read(path)
    keyring = Keyring(unpack(vector["document"]))
    message, ref_key_id = bytes.fromhex(vector["message"]), bytes.fromhex(vector["ref_key_id"])
    assert keyring.ref_key_id == ref_key_id
    assert keyring.mac_id(message).hex() == vector["mac_id"]
    assert keyring.mac_ref(message, ref_key_id).hex() == vector["mac_ref"]
    plain = keyring.unwrap(bytes.fromhex(vector["data_key_id"]), bytes.fromhex(vector["wrapped_key"]))
    assert plain.hex() == vector["value_key"]


@pytest.mark.parametrize("path", _REJECT, ids=lambda path: path.stem)
def test_rejected_document_is_refused_for_the_reason_given(path):
    vector = _read(path)
    with pytest.raises(KeyringError, match=_MESSAGES[vector["reason"]]):
        unpack(vector["document"])


def test_every_reason_has_a_vector():
    assert {_read(path)["reason"] for path in _REJECT} == _MESSAGES.keys()
    assert _ACCEPT


def test_committed_vectors_are_what_the_generator_gives():
    generator = _HERE / "generate_keyring.py"
    subprocess.run([sys.executable, str(generator), "--check"], check=True)
