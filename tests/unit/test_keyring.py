from __future__ import annotations

import copy
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import pytest

from lamella.errors import ConfigError, IntegrityError, KeyringError, KeyVersionNotFoundError
from lamella.keys import edit, keyring
from lamella.keys.document import pack
from lamella.keys.keyring import Keyring
from lamella.keys.providers import EnvKeyProvider

_RECORD = edit.keygen("unit", created_at=1)


@pytest.fixture
def provider(monkeypatch):
    monkeypatch.setenv("UNIT_KEYRING", pack(_RECORD))
    return EnvKeyProvider("UNIT_KEYRING")


def test_keyring_that_is_what_the_configuration_pins_opens(provider):
    opened = Keyring.open(provider, deployment="unit", keyring_id=_RECORD.keyring_id, min_epoch=1)
    assert (opened.deployment, opened.keyring_id, opened.epoch) == ("unit", _RECORD.keyring_id, 1)
    assert opened.ref_key_id == _RECORD.primary("ref").key_id


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        ({"deployment": "other"}, "deployment 'unit', the configuration names 'other'"),
        ({"keyring_id": bytes(8)}, "the configuration pins 0000000000000000"),
        ({"min_epoch": 2}, "is at epoch 1, the configuration wants 2"),
    ],
)
def test_keyring_that_differs_from_a_pin_is_a_config_error(provider, pins, message):
    with pytest.raises(ConfigError, match=message):
        Keyring.open(provider, **pins)


def test_damaged_document_does_not_open(provider, monkeypatch):
    monkeypatch.setenv("UNIT_KEYRING", pack(_RECORD).replace(":1:", ":1:A"))
    with pytest.raises(KeyringError):
        Keyring.open(provider)


def test_value_keys_are_random_and_wrapped_under_the_primary():
    ring = Keyring(_RECORD)
    first, second = ring.new_value_key(b""), ring.new_value_key(b"")
    assert first.key_id == second.key_id == _RECORD.primary("data").key_id
    assert (len(first.key), len(first.wrapped_key)) == (32, 40)
    assert first.key != second.key
    assert ring.unwrap(first.key_id, first.wrapped_key) == first.key


@pytest.mark.parametrize("length", [0, 8, 16, 24, 32, 39, 41, 48])
def test_wrapped_key_of_another_length_is_refused(length):
    ring = Keyring(_RECORD)
    value = ring.new_value_key(b"")
    with pytest.raises(IntegrityError) as refusal:
        ring.unwrap(value.key_id, (value.wrapped_key * 2)[:length])
    assert refusal.value.key_id == value.key_id.hex()


@pytest.mark.parametrize("position", range(40))
def test_altered_wrapped_key_is_refused(position):
    ring = Keyring(_RECORD)
    value = ring.new_value_key(b"")
    altered = bytearray(value.wrapped_key)
    altered[position] ^= 1
    with pytest.raises(IntegrityError):
        ring.unwrap(value.key_id, bytes(altered))


def test_wrapped_key_is_refused_under_another_data_key():
    record = edit.add(_RECORD, "data", created_at=1)
    ring = Keyring(record)
    with pytest.raises(IntegrityError):
        ring.unwrap(record.keys[-1].key_id, ring.new_value_key(b"").wrapped_key)


def test_unknown_key_id_is_named_and_no_key_is_tried(monkeypatch):
    tried = []
    monkeypatch.setattr(keyring, "aes_key_unwrap", lambda *given: tried.append(given))
    ring = Keyring(_RECORD)
    value = ring.new_value_key(b"")
    with pytest.raises(KeyVersionNotFoundError, match=r"data key 00000000000000aa is unknown .* restore") as refusal:
        ring.unwrap(bytes.fromhex("00000000000000aa"), value.wrapped_key)
    assert refusal.value.key_id == "00000000000000aa"
    assert tried == []


@pytest.mark.parametrize(
    ("steps", "status"), [((edit.disable,), "disabled"), ((edit.disable, edit.destroy), "destroyed")]
)
@pytest.mark.parametrize("role", ["data", "ref"])
def test_disabled_or_destroyed_key_is_not_used(role, steps, status):
    record = edit.add(_RECORD, role, created_at=1)
    key_id = record.keys[-1].key_id
    wrapped_key = Keyring(record).new_value_key(b"").wrapped_key
    for step in steps:
        record = step(record, key_id)
    ring = Keyring(record)
    with pytest.raises(KeyVersionNotFoundError, match=f"{role} key {key_id.hex()} is {status}"):
        ring.unwrap(key_id, wrapped_key) if role == "data" else ring.mac_ref(b"ref", key_id)


def test_ref_tags_of_an_older_ref_key_still_verify_after_promotion():
    old = Keyring(_RECORD)
    tag = old.mac_ref(b"ref", old.ref_key_id)
    record = edit.add(_RECORD, "ref", created_at=1)
    new = Keyring(edit.promote(record, record.keys[-1].key_id))
    assert new.ref_key_id == record.keys[-1].key_id
    assert new.mac_ref(b"ref", old.ref_key_id) == tag
    assert new.mac_ref(b"ref", new.ref_key_id) != tag


def test_ids_depend_on_the_id_key_alone():
    record = edit.add(_RECORD, "data", created_at=1)
    rotated = edit.promote(record, record.keys[-1].key_id)
    assert Keyring(rotated).mac_id(b"scope") == Keyring(_RECORD).mac_id(b"scope")
    assert Keyring.ephemeral("unit").mac_id(b"scope") != Keyring(_RECORD).mac_id(b"scope")


def test_messages_of_one_keyring_do_not_run_into_each_other():
    ring = Keyring(_RECORD)
    first = ring.mac_id(b"one")
    assert ring.mac_id(b"two") != first
    assert ring.mac_id(b"one") == first


def test_ephemeral_keyrings_differ():
    assert Keyring.ephemeral().keyring_id != Keyring.ephemeral().keyring_id
    assert Keyring.ephemeral("demo").deployment == "demo"


@pytest.mark.parametrize("leave", [ForkingPickler.dumps, copy.copy, copy.deepcopy])
def test_keyring_never_leaves_its_process(leave):
    with pytest.raises(TypeError, match="holds secrets"):
        leave(Keyring(_RECORD))


def test_repr_shows_deployment_id_and_epoch_only():
    shown = repr(Keyring(replace(_RECORD, epoch=7)))
    assert shown == f"Keyring(deployment='unit', keyring_id='{_RECORD.keyring_id.hex()}', epoch=7)"
