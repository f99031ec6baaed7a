"""The live keyring: the keys of one deployment, looked up by id and never tried one after the other."""

from __future__ import annotations

import itertools
import os
import struct
import threading
import time
from typing import TYPE_CHECKING, NoReturn

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from lamella.errors import ConfigError, IntegrityError, KeyringError, KeyVersionNotFoundError
from lamella.keys.derive import SECRET_BYTES
from lamella.keys.edit import keygen
from lamella.keys.material import DataKey, KeyMaterial
from lamella.keys.open import load_record
from lamella.protocols.key_provider import ValueKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.hmac import HMAC
    from typing_extensions import Self

    from lamella.keys.record import KeyringRecord
    from lamella.protocols.key_provider import KeyProvider

__all__ = ["Keyring"]

_WRAPPED_KEY_BYTES = 40
_HEDGE_BYTES = 16
_HEDGED_SEGMENT_BYTES = 64 * 1024
# Length-prefixed fields: RNG, pid, clock and counter; then the length of the segment and of what is taken of it.
_HEDGE_FIELDS = struct.Struct(">I16s IQ IQ IQ IQ I")
_hedge_counter = itertools.count()

_ADVICE = {
    "unknown": "give this process the keyring that holds it, or restore that keyring from a backup",
    "disabled": "`lamella key activate` allows its use again",
    "destroyed": "what it protected is gone unless a backup of the keyring still holds it",
}


class Keyring:
    """All known keys of one deployment; implements `lamella.protocols.key_provider.ValueKeys`.

    Safe for threads and across forks. It holds secrets, so it is neither pickled nor shown.

    Attributes:
        deployment: The name of the installation, part of every scope id.
        keyring_id: The id of the id key, 8 bytes, the same for ever.
    """

    __slots__ = (
        "_clock",
        "_failure",
        "_locks",
        "_material",
        "_provider",
        "_reload_after",
        "_reload_at",
        "deployment",
        "keyring_id",
    )

    def __init__(
        self,
        record: KeyringRecord,
        *,
        provider: KeyProvider | None = None,
        reload_after_seconds: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Derive the keys of a record; without a provider they are all there will ever be."""
        self._material = KeyMaterial(record)
        self._provider = provider
        self._reload_after = reload_after_seconds
        self._reload_at = clock()
        self._failure: KeyringError | None = None
        self._clock = clock
        # One lock a process, because a fork copies a lock that another thread holds as held for ever.
        self._locks: dict[int, threading.Lock] = {}
        self.deployment = record.deployment
        self.keyring_id = record.keyring_id

    @classmethod
    def open(  # noqa: PLR0913 - the pins are independent of each other and all named
        cls,
        provider: KeyProvider,
        *,
        deployment: str | None = None,
        keyring_id: bytes | None = None,
        min_epoch: int = 0,
        reload_after_seconds: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Load and verify the document of a provider, and hold it against what the configuration pins.

        Raises:
            ConfigError: The document is of another deployment or keyring, or is older than the configuration allows.
            KeyringError: The document is missing, exposed, damaged or forged.
            KeyProviderUnavailableError: The provider does not answer.
        """
        record = load_record(provider)
        if deployment is not None and record.deployment != deployment:
            raise ConfigError(
                f"the keyring is of deployment {record.deployment!r}, the configuration names {deployment!r}; "
                "values of one deployment are never found under another, so correct whichever is wrong"
            )
        if keyring_id is not None and record.keyring_id != keyring_id:
            raise ConfigError(
                f"the keyring is {record.keyring_id.hex()}, the configuration pins {keyring_id.hex()}; "
                "name the right keyring, or correct the pin if the keyring was replaced on purpose"
            )
        if record.epoch < min_epoch:
            raise ConfigError(
                f"the keyring is at epoch {record.epoch}, the configuration wants {min_epoch} at least; "
                "install the newest keyring document"
            )
        return cls(record, provider=provider, reload_after_seconds=reload_after_seconds, clock=clock)

    @classmethod
    def ephemeral(cls, deployment: str = "test") -> Self:
        """Make a keyring in memory, whose values are lost with the process; for tests and demonstrations."""
        return cls(keygen(deployment, created_at=int(time.time())))

    def __repr__(self) -> str:
        return f"Keyring(deployment={self.deployment!r}, keyring_id={self.keyring_id.hex()!r}, epoch={self.epoch})"

    def __reduce__(self) -> NoReturn:
        """Refuse to leave the process.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a keyring holds secrets and is never pickled or copied; open it in the process that uses it")

    @property
    def epoch(self) -> int:
        """The epoch of the document in use."""
        return self._material.epoch

    @property
    def ref_key_id(self) -> bytes:
        """The id of the ref key that is used to write, 4 bytes."""
        return self._material.ref_key_id

    def mac_id(self, message: bytes) -> bytes:
        """Return the HMAC-SHA256 behind scope ids and key ids, 32 bytes."""
        return _mac(self._material.id_mac, message)

    def mac_ref(self, message: bytes, ref_key_id: bytes) -> bytes:
        """Return the HMAC-SHA256 of a ref under one ref key, 32 bytes.

        Raises:
            KeyVersionNotFoundError: The ref key is unknown, disabled or destroyed.
        """
        mac = self._material.ref_macs.get(ref_key_id)
        if mac is None:
            mac = self._reload_for("ref", ref_key_id).ref_macs[ref_key_id]
        return _mac(mac, message)

    def new_value_key(self, first_segment: bytes | memoryview) -> ValueKey:
        """Make a random key for the value that begins with this segment, and wrap it under the primary data key."""
        primary = self._material.primary
        random = os.urandom(SECRET_BYTES + _HEDGE_BYTES)
        key = random[:SECRET_BYTES]
        hedge = _hedge(primary, random[SECRET_BYTES:], first_segment)
        return ValueKey(primary.key_id, aes_key_wrap(primary.wrapping_key, key), key, hedge)

    def unwrap(self, key_id: bytes, wrapped_key: bytes) -> bytes:
        """Return the plain key of a value, 32 bytes; look up by id alone.

        Raises:
            KeyVersionNotFoundError: The data key is unknown, disabled or destroyed.
            IntegrityError: The wrapped key does not unwrap.
        """
        data_key = self._material.data_keys.get(key_id)
        if data_key is None:
            data_key = self._reload_for("data", key_id).data_keys[key_id]
        try:
            if len(wrapped_key) == _WRAPPED_KEY_BYTES:
                return aes_key_unwrap(data_key.wrapping_key, wrapped_key)
        except InvalidUnwrap:
            pass
        raise IntegrityError(key_id=key_id.hex())

    def hedge(self, first_segment: bytes | memoryview) -> bytes:
        """Return 16 bytes that differ while any of RNG, pid, clock, counter and first segment differ."""
        return _hedge(self._material.primary, os.urandom(_HEDGE_BYTES), first_segment)

    def _reload_for(self, role: str, key_id: bytes) -> KeyMaterial:
        """Return keys that hold one key, reading the document again unless that was done a moment ago.

        Raises:
            KeyVersionNotFoundError: The key is still unknown, disabled or destroyed.
        """
        failure = self._reload()
        material = self._material
        if key_id in (material.data_keys if role == "data" else material.ref_macs):
            return material
        status = material.statuses.get((role, key_id), "unknown")
        message = f"{role} key {key_id.hex()} is {status} in {self!r}: {_ADVICE[status]}"
        if failure is not None:
            message = f"{message}; reading the keyring again failed: {failure}"
        error = KeyVersionNotFoundError(message, key_id=key_id.hex())
        error.transient = failure is not None and failure.transient
        raise error from failure

    def _reload(self) -> KeyringError | None:
        """Read the document again unless that was done a moment ago; return why the last reading failed."""
        if self._provider is None:
            return None
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            if self._clock() >= self._reload_at:
                self._reload_at = self._clock() + self._reload_after
                self._failure = None
                try:
                    self._material = self._reloaded(self._provider)
                except KeyringError as error:
                    self._failure = error
            return self._failure

    def _reloaded(self, provider: KeyProvider) -> KeyMaterial:
        record = load_record(provider)
        if record.keyring_id != self.keyring_id or record.deployment != self.deployment:
            raise KeyringError("the document is of another keyring or deployment; restart with the right one")
        material = KeyMaterial(record)
        if record.epoch < self.epoch or not self._material.statuses.keys() <= material.statuses.keys():
            raise KeyringError(f"the document, of epoch {record.epoch}, does not follow ours; install the newest one")
        return material


def _hedge(primary: DataKey, random: bytes, first_segment: bytes | memoryview) -> bytes:
    """Return the hedge of a seal; source: docs/format.md, "Fact block"."""
    taken = first_segment[:_HEDGED_SEGMENT_BYTES]
    clock, count, size = time.time_ns() % 2**64, next(_hedge_counter), len(first_segment)
    mac = primary.hedge_mac.copy()
    fields = _HEDGE_FIELDS.pack(16, random, 8, os.getpid(), 8, clock, 8, count, 8, size, len(taken))
    mac.update(fields + taken)
    return mac.finalize()[:_HEDGE_BYTES]


def _mac(keyed: HMAC, message: bytes) -> bytes:
    mac = keyed.copy()
    mac.update(message)
    return mac.finalize()
