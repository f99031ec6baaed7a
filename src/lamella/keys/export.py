"""Backups of a keyring: its document as it is, or wrapped under the primary data key of another keyring.

```
export = "lamella-keyring-export:1:" key-id ":" wrapped [LF]
key-id  = the id of the wrapping data key, 16 lower-case hexadecimal digits
wrapped = base64url, without padding, of AES-KWP(sub-key "data/export" of that key, the ASCII document)
```

Source: RFC 5649; docs/format.md, "Keyring".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from lamella.armour import armour, unarmour
from lamella.errors import KeyringError, KeyVersionNotFoundError
from lamella.keys.derive import DATA_EXPORT, derive
from lamella.keys.document import MAX_DOCUMENT_BYTES, pack, unpack
from lamella.keys.record import Status

if TYPE_CHECKING:
    from lamella.keys.record import KeyringRecord, KeyVersion

__all__ = ["missing_keys", "open_backup", "wrap_export"]

_PREFIX = "lamella-keyring-export:"
_EXPORT = re.compile(r"lamella-keyring-export:1:([0-9a-f]{16}):([A-Za-z0-9_-]+)")


def wrap_export(record: KeyringRecord, wrapping: KeyringRecord) -> str:
    """Wrap the document of a keyring under the primary data key of another one.

    Raises:
        KeyringError: The two are one keyring, so the backup could be opened only by what it is a backup of.
    """
    if wrapping.keyring_id == record.keyring_id:
        raise KeyringError("a keyring cannot wrap its own backup: it would be lost together with the keyring")
    key = wrapping.primary("data")
    wrapped = aes_key_wrap_with_padding(derive(key.secret, DATA_EXPORT), pack(record).encode())
    return f"{_PREFIX}1:{key.key_id.hex()}:{armour(wrapped)}\n"


def open_backup(backup: str, wrapping: KeyringRecord | None) -> KeyringRecord:
    """Return what a backup holds, unwrapping it where it is wrapped.

    Raises:
        KeyringError: The backup is damaged; or wrapped, and no keyring to unwrap it is given; or the other way round.
        KeyVersionNotFoundError: The keyring given does not hold the wrapping key.
    """
    if not backup.startswith(_PREFIX):
        record = unpack(backup)
        if wrapping is not None:
            raise KeyringError(
                "the backup is not wrapped, so whoever reads it has every key; make one with `lamella key export "
                "--wrap-with`, or leave out --wrapped-by"
            )
        return record
    spelled = _EXPORT.fullmatch(backup.removesuffix("\n"))
    if spelled is None or len(backup) > MAX_DOCUMENT_BYTES:
        raise KeyringError("the wrapped backup is damaged or of a newer release; make a new one")
    if wrapping is None:
        raise KeyringError(f"the backup is wrapped under key {spelled[1]}; name its keyring with --wrapped-by")
    return unpack(_unwrap(spelled[1], spelled[2], wrapping))


def missing_keys(current: KeyringRecord, backup: KeyringRecord) -> tuple[KeyVersion, ...]:
    """Return the keys that a restore of the backup would lose."""
    kept = {(key.role, key.key_id) for key in backup.keys if key.secret}
    return tuple(key for key in current.keys if key.secret and (key.role, key.key_id) not in kept)


def _unwrap(key_id: str, wrapped: str, wrapping: KeyringRecord) -> str:
    for key in wrapping.keys:
        if key.role == "data" and key.key_id.hex() == key_id and key.status in Status.USABLE:
            break
    else:
        raise KeyVersionNotFoundError(
            f"the backup is wrapped under key {key_id}, which the keyring given does not hold or may not use; "
            "name the keyring that wrapped it",
            key_id=key_id,
        )
    try:
        raw = unarmour(wrapped)
        if armour(raw) == wrapped:
            return aes_key_unwrap_with_padding(derive(key.secret, DATA_EXPORT), raw).decode("ascii")
    except (InvalidUnwrap, ValueError):
        pass
    raise KeyringError("the wrapped backup is damaged; make a new one", key_id=key_id)
