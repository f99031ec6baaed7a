from __future__ import annotations

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lamella.errors import KeyringError, KeyVersionNotFoundError
from lamella.keys import edit
from lamella.keys.document import pack
from lamella.keys.export import missing_keys, open_backup, wrap_export

_RECORD = edit.keygen("exports", created_at=1)
_WRAPPING = edit.keygen("backups", created_at=1)
_BACKUP = wrap_export(_RECORD, _WRAPPING)


def _rotated(record):
    staged = edit.add(record, "data", created_at=1)
    return edit.promote(staged, staged.keys[-1].key_id)


def _edited(record, key_id, *steps):
    for step in steps:
        record = step(record, key_id)
    return record


def test_wrapped_backup_gives_the_keyring_back():
    assert open_backup(_BACKUP, _WRAPPING) == _RECORD
    assert open_backup(_BACKUP.removesuffix("\n"), _WRAPPING) == _RECORD


def test_plain_backup_needs_no_other_keyring():
    assert open_backup(pack(_RECORD), None) == _RECORD


def test_wrapped_backup_opens_after_the_wrapping_keyring_was_rotated():
    assert open_backup(_BACKUP, _rotated(_WRAPPING)) == _RECORD


def test_wrapped_backup_names_the_key_that_it_needs():
    wanted = _WRAPPING.primary("data").key_id.hex()
    with pytest.raises(KeyringError, match=f"under key {wanted}; name its keyring with --wrapped-by"):
        open_backup(_BACKUP, None)
    with pytest.raises(KeyVersionNotFoundError, match=wanted):
        open_backup(_BACKUP, _RECORD)


def test_wrapped_backup_does_not_open_under_a_disabled_key():
    disabled = _edited(_rotated(_WRAPPING), _WRAPPING.primary("data").key_id, edit.disable)
    with pytest.raises(KeyVersionNotFoundError):
        open_backup(_BACKUP, disabled)


def test_keyring_never_wraps_its_own_backup():
    with pytest.raises(KeyringError, match="cannot wrap its own backup"):
        wrap_export(_RECORD, _rotated(_RECORD))


@given(st.integers(0, len(_BACKUP) - 2), st.sampled_from(string.ascii_letters + string.digits + "-_:"))
def test_altered_backup_is_refused(position, character):
    assume(_BACKUP[position] != character)
    with pytest.raises(KeyringError):
        open_backup(_BACKUP[:position] + character + _BACKUP[position + 1 :], _WRAPPING)


@given(st.integers(0, 200))
def test_last_character_of_a_backup_has_one_spelling(size):
    backup = wrap_export(edit.keygen("exports", created_at=size * 1000), _WRAPPING).removesuffix("\n")
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    following = alphabet[(alphabet.index(backup[-1]) + 1) % 64]
    with pytest.raises(KeyringError):
        open_backup(backup[:-1] + following, _WRAPPING)


@pytest.mark.parametrize("kept", [23, 24, 41, 42, 43, 53, 54, len(_BACKUP) - 2])
def test_cut_backup_is_refused(kept):
    with pytest.raises(KeyringError):
        open_backup(_BACKUP[:kept], _WRAPPING)


def test_backup_above_the_ceiling_is_refused():
    with pytest.raises(KeyringError, match="damaged"):
        open_backup(_BACKUP.strip() + "A" * 65536, _WRAPPING)


def test_keys_made_after_the_backup_are_missing_from_it():
    rotated = _rotated(_RECORD)
    assert missing_keys(rotated, _RECORD) == (rotated.keys[-1],)
    assert missing_keys(_RECORD, rotated) == ()


def test_key_destroyed_in_the_keyring_is_not_missed_and_one_destroyed_in_the_backup_is():
    rotated = _rotated(_RECORD)
    old = _RECORD.primary("data")
    destroyed = _edited(rotated, old.key_id, edit.disable, edit.destroy)
    assert missing_keys(destroyed, rotated) == ()
    assert [key.key_id for key in missing_keys(rotated, destroyed)] == [old.key_id]


def test_backup_of_another_keyring_lacks_everything():
    assert missing_keys(_RECORD, _WRAPPING) == _RECORD.keys
