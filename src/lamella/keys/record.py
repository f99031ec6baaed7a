"""What a keyring document says: the keys with their roles and statuses, checked whenever a record is built."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lamella.errors import KeyringError
from lamella.keys.derive import SECRET_BYTES, derive_key_id, key_id_bytes

__all__ = ["MAX_KEYS", "ROLES", "KeyVersion", "KeyringRecord", "Status"]

MAX_KEYS = 512
"""How many keys one keyring holds at most, destroyed ones included."""

ROLES = ("data", "ref", "id")

_DEPLOYMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MAX_EPOCH = 2**63 - 1
_MAX_CREATED_AT = 253_402_300_799


class Status:
    """How far a key is in its life, in this order."""

    STAGED = "staged"
    PRIMARY = "primary"
    ACTIVE = "active"
    DISABLED = "disabled"
    DESTROYED = "destroyed"

    ALL = (STAGED, PRIMARY, ACTIVE, DISABLED, DESTROYED)
    USABLE = (STAGED, PRIMARY, ACTIVE)


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One key of a keyring.

    Attributes:
        role: `data`, `ref` or `id`.
        status: One of `Status`.
        created_at: Seconds since 1970-01-01 UTC, up to the year 9999.
        key_id: 8 bytes, or 4 for a ref key; derived from the secret.
        secret: 32 bytes; empty once the key is destroyed.

    Raises:
        KeyringError: A field cannot be, or the id is not the secret's.
    """

    role: str
    status: str
    created_at: int
    key_id: bytes
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a key that is not what its label says."""
        if self.role not in ROLES:
            raise KeyringError("the keyring holds a key of an unknown role; upgrade Lamella or restore a backup")
        if self.status not in Status.ALL:
            raise KeyringError("the keyring holds a key of an unknown status; upgrade Lamella or restore a backup")
        if not 0 <= self.created_at <= _MAX_CREATED_AT:
            raise KeyringError("the keyring holds a key with an impossible time of creation; restore a backup")
        if len(self.key_id) != key_id_bytes(self.role):
            raise self._refused("an id of the wrong size")
        if self.status == Status.DESTROYED:
            if self.secret:
                raise self._refused("a secret although it is destroyed")
            return
        if len(self.secret) != SECRET_BYTES:
            raise self._refused(f"a secret that is not exactly {SECRET_BYTES} bytes")
        if derive_key_id(self.role, self.secret) != self.key_id:
            raise self._refused("the secret of another key (mislabelled or swapped)")

    def _refused(self, what: str) -> KeyringError:
        hexadecimal = self.key_id.hex()
        return KeyringError(f"{self.role} key {hexadecimal} has {what}; restore a backup", key_id=hexadecimal)


@dataclass(frozen=True, slots=True)
class KeyringRecord:
    """All that a keyring document says.

    Attributes:
        deployment: The name of the installation, part of every scope id.
        epoch: Counts the edits from 1.
        keys: In the order in which they were made.

    Raises:
        KeyringError: The keys do not make up a keyring.
    """

    deployment: str
    epoch: int
    keys: tuple[KeyVersion, ...]

    def __post_init__(self) -> None:
        """Refuse a set of keys that leaves open which one to use."""
        if not _DEPLOYMENT.fullmatch(self.deployment):
            raise KeyringError(
                "a deployment is named by 1 to 64 characters of a-z, 0-9, '.', '_' and '-', a letter or digit first"
            )
        if not 1 <= self.epoch <= _MAX_EPOCH:
            raise KeyringError("the keyring has an impossible epoch; restore a backup")
        if len(self.keys) > MAX_KEYS:
            raise KeyringError(f"a keyring holds at most {MAX_KEYS} keys; rewrite the values under a new keyring")
        if len({(key.role, key.key_id) for key in self.keys}) != len(self.keys):
            raise KeyringError("the keyring holds one key twice; restore a backup")
        for role in ROLES:
            if sum(key.role == role and key.status == Status.PRIMARY for key in self.keys) != 1:
                raise KeyringError(f"the keyring does not have exactly one primary {role} key; restore a backup")
        if sum(key.role == "id" for key in self.keys) != 1:
            raise KeyringError("the keyring has more than one id key; restore a backup")

    def primary(self, role: str) -> KeyVersion:
        """Return the key of a role that is used to write."""
        return next(key for key in self.keys if key.role == role and key.status == Status.PRIMARY)

    @property
    def keyring_id(self) -> bytes:
        """The id of the id key, 8 bytes, which no edit changes."""
        return self.primary("id").key_id
