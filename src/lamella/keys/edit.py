"""Edits of a keyring: functions from one record to the next, each raising the epoch by one.

```
staged  -- promote --> primary
staged  -- disable --> disabled
primary -- when another one is promoted --> active
active  -- promote --> primary
active  -- disable --> disabled
disabled -- activate --> active
disabled -- destroy  --> destroyed
```

Source: docs/keys.md, "Statuses".
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from lamella.errors import KeyringError, KeyVersionNotFoundError
from lamella.keys.derive import SECRET_BYTES, derive_key_id
from lamella.keys.document import pack, unpack
from lamella.keys.open import load_record
from lamella.keys.record import ROLES, KeyringRecord, KeyVersion, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.protocols.key_provider import KeyProvider

__all__ = ["activate", "add", "change_keyring", "check_successor", "destroy", "disable", "keygen", "promote"]


def keygen(deployment: str, *, created_at: int) -> KeyringRecord:
    """Make a new keyring with one primary key for each role; `created_at` in seconds since 1970-01-01 UTC.

    Raises:
        KeyringError: The deployment cannot be a name.
    """
    keys = tuple(_new_key(role, Status.PRIMARY, created_at) for role in ROLES)
    return KeyringRecord(deployment, 1, keys)


def add(record: KeyringRecord, role: str, *, created_at: int) -> KeyringRecord:
    """Append a staged key, which every process can use to read before any process writes with it.

    Raises:
        KeyringError: The role has one key for ever, or the keyring is full.
    """
    if role == "id":
        raise KeyringError("the id key never rotates: every scope id and key id depends on it; add a data or ref key")
    key = _new_key(role, Status.STAGED, created_at)
    return replace(record, epoch=record.epoch + 1, keys=(*record.keys, key))


def promote(record: KeyringRecord, key_id: bytes) -> KeyringRecord:
    """Make a staged or active key the one that is used to write; the old primary stays active.

    Raises:
        KeyVersionNotFoundError: No such key.
        KeyringError: The key is primary already, disabled or destroyed.
    """
    key = _find(record, key_id)
    _require(key, (Status.STAGED, Status.ACTIVE), "only a staged or active key is promoted")
    old = record.primary(key.role)
    return _with(record, replace(old, status=Status.ACTIVE), replace(key, status=Status.PRIMARY))


def disable(record: KeyringRecord, key_id: bytes) -> KeyringRecord:
    """Stop every use of a key but keep its secret, so that a mistake shows while it can be undone.

    Raises:
        KeyVersionNotFoundError: No such key.
        KeyringError: The key is primary, or disabled or destroyed already.
    """
    key = _find(record, key_id)
    _require(key, (Status.STAGED, Status.ACTIVE), "promote another key before this one is disabled")
    return _with(record, replace(key, status=Status.DISABLED))


def activate(record: KeyringRecord, key_id: bytes) -> KeyringRecord:
    """Take back a disable: the key opens what it wrapped again.

    Raises:
        KeyVersionNotFoundError: No such key.
        KeyringError: The key is not disabled.
    """
    key = _find(record, key_id)
    _require(key, (Status.DISABLED,), "only a disabled key is activated")
    return _with(record, replace(key, status=Status.ACTIVE))


def destroy(record: KeyringRecord, key_id: bytes) -> KeyringRecord:
    """Forget the secret of a disabled key for ever, and keep its id.

    Raises:
        KeyVersionNotFoundError: No such key.
        KeyringError: The key is not disabled.
    """
    key = _find(record, key_id)
    _require(key, (Status.DISABLED,), "promote another key if it is primary, disable this one, then destroy it")
    return _with(record, replace(key, status=Status.DESTROYED, secret=b""))


def change_keyring(provider: KeyProvider, edit: Callable[[KeyringRecord], KeyringRecord]) -> KeyringRecord:
    """Read, edit and save; a save that another one overtook is refused by the provider, so no edit is lost.

    Raises:
        KeyringError: The edit is refused, the place is read-only, or someone else saved in between.
    """
    record = edit(load_record(provider))
    provider.save(pack(record), replace=True)
    return record


def check_successor(current: str, document: str) -> None:
    """Refuse to replace a document by one that is not exactly one edit newer; a provider asks this under its lock.

    Raises:
        KeyringError: Someone else saved in between, or the documents are of two keyrings.
    """
    old, new = unpack(current), unpack(document)
    if (new.keyring_id, new.deployment) != (old.keyring_id, old.deployment):
        raise KeyringError("the keyring kept there is another one; move it away first if it is to be replaced")
    if new.epoch != old.epoch + 1:
        raise KeyringError(
            f"the keyring is at epoch {old.epoch} and cannot be followed by epoch {new.epoch}: "
            "someone else changed it; run the command again"
        )


def _new_key(role: str, status: str, created_at: int) -> KeyVersion:
    secret = os.urandom(SECRET_BYTES)
    return KeyVersion(role, status, created_at, derive_key_id(role, secret), secret)


def _find(record: KeyringRecord, key_id: bytes) -> KeyVersion:
    for key in record.keys:
        if key.key_id == key_id:
            return key
    raise KeyVersionNotFoundError(
        f"the keyring has no key {key_id.hex()}; `lamella key list` shows the ids", key_id=key_id.hex()
    )


def _require(key: KeyVersion, statuses: tuple[str, ...], advice: str) -> None:
    hexadecimal = key.key_id.hex()
    if key.role == "id":
        raise KeyringError(f"{hexadecimal} is the id key, which never changes", key_id=hexadecimal)
    if key.status not in statuses:
        raise KeyringError(f"{key.role} key {hexadecimal} is {key.status}; {advice}", key_id=hexadecimal)


def _with(record: KeyringRecord, *changed: KeyVersion) -> KeyringRecord:
    by_id = {(key.role, key.key_id): key for key in changed}
    keys = tuple(by_id.get((key.role, key.key_id), key) for key in record.keys)
    return replace(record, epoch=record.epoch + 1, keys=keys)
