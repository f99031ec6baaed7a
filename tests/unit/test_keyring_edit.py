from __future__ import annotations

from dataclasses import replace

import pytest

from lamella.errors import KeyringError, KeyVersionNotFoundError
from lamella.keys import edit
from lamella.keys.document import pack, unpack
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.keys.record import Status


@pytest.fixture
def record():
    return edit.keygen("edits", created_at=1)


def _in_status(record, status, role="data"):
    """Return a record that has a second key of the role in that status, and the key's id."""
    record = edit.add(record, role, created_at=2)
    key_id = record.keys[-1].key_id
    steps = {
        Status.STAGED: (),
        Status.PRIMARY: (edit.promote,),
        Status.ACTIVE: (edit.disable, edit.activate),
        Status.DISABLED: (edit.disable,),
        Status.DESTROYED: (edit.disable, edit.destroy),
    }
    for step in steps[status]:
        record = step(record, key_id)
    return record, key_id


def _status(record, key_id):
    return next(key.status for key in record.keys if key.key_id == key_id)


def test_new_keyring_has_one_primary_key_for_each_role_at_epoch_1(record):
    assert [(key.role, key.status) for key in record.keys] == [(role, "primary") for role in ("data", "ref", "id")]
    assert record.epoch == 1


@pytest.mark.parametrize("deployment", ["", "Prod", "-prod", "prod eu", "a" * 65, "prod\n"])
def test_deployment_that_cannot_be_a_name_is_refused(deployment):
    with pytest.raises(KeyringError, match="a deployment is named by"):
        edit.keygen(deployment, created_at=1)


_STEPS = {
    "promote": (edit.promote, {"staged": "primary", "active": "primary"}),
    "disable": (edit.disable, {"staged": "disabled", "active": "disabled"}),
    "activate": (edit.activate, {"disabled": "active"}),
    "destroy": (edit.destroy, {"disabled": "destroyed"}),
}


@pytest.mark.parametrize("role", ["data", "ref"])
@pytest.mark.parametrize("status", Status.ALL)
@pytest.mark.parametrize("step", _STEPS)
def test_a_status_changes_only_as_the_table_says(record, step, status, role):
    function, table = _STEPS[step]
    record, key_id = _in_status(record, status, role)
    if status in table:
        changed = function(record, key_id)
        assert _status(changed, key_id) == table[status]
        assert changed.epoch == record.epoch + 1
        assert unpack(pack(changed)) == changed
    else:
        with pytest.raises(KeyringError, match=f"is {status}; ") as refusal:
            function(record, key_id)
        assert refusal.value.key_id == key_id.hex()


def test_promoted_key_leaves_the_old_primary_active(record):
    old = record.primary("data").key_id
    promoted, key_id = _in_status(record, Status.PRIMARY)
    assert promoted.primary("data").key_id == key_id
    assert _status(promoted, old) == Status.ACTIVE


@pytest.mark.parametrize("step", [edit.disable, edit.destroy])
def test_primary_key_is_kept_until_another_one_is_promoted(record, step):
    with pytest.raises(KeyringError, match="promote another key"):
        step(record, record.primary("data").key_id)


def test_destroyed_key_keeps_its_id_and_loses_its_secret(record):
    record, key_id = _in_status(record, Status.DISABLED)
    secret = record.keys[-1].secret
    destroyed = edit.destroy(record, key_id)
    assert destroyed.keys[-1].key_id == key_id
    assert destroyed.keys[-1].secret == b""
    assert secret not in b"".join(key.secret for key in destroyed.keys)


def test_id_key_never_changes(record):
    with pytest.raises(KeyringError, match="never rotates"):
        edit.add(record, "id", created_at=1)
    for step in (edit.promote, edit.disable, edit.activate, edit.destroy):
        with pytest.raises(KeyringError, match="never changes"):
            step(record, record.keyring_id)


def test_unknown_key_is_named(record):
    with pytest.raises(KeyVersionNotFoundError, match="00000000000000aa"):
        edit.promote(record, bytes.fromhex("00000000000000aa"))


def test_edit_that_another_one_overtook_is_refused_and_the_other_one_stays(tmp_path, record):
    provider = FileKeyProvider(tmp_path / "keyring")
    provider.save(pack(record), replace=False)

    def overtaken(old):
        edit.change_keyring(provider, lambda current: edit.add(current, "ref", created_at=3))
        return edit.add(old, "data", created_at=2)

    with pytest.raises(KeyringError, match="someone else changed it; run the command again"):
        edit.change_keyring(provider, overtaken)
    assert [key.role for key in unpack(provider.load()).keys] == ["data", "ref", "id", "ref"]


@pytest.mark.parametrize("status", Status.USABLE)
def test_usable_key_opens_what_it_wrapped(record, status):
    key = record.primary("data")
    value = Keyring(record).new_value_key(b"")
    if status != Status.PRIMARY:
        record, _ = _in_status(record, Status.PRIMARY)
        record = replace(record, keys=(replace(key, status=status), *record.keys[1:]))
    assert _status(record, key.key_id) == status
    assert Keyring(record).unwrap(value.key_id, value.wrapped_key) == value.key
