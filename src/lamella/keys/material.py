"""The keys of one epoch, ready for use: every sub-key derived once, every MAC keyed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lamella.keys.derive import DATA_HEDGE, DATA_WRAP, ID_MAC, REF_MAC, derive, keyed_mac
from lamella.keys.record import Status

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hmac import HMAC

    from lamella.keys.record import KeyringRecord, KeyVersion

__all__ = ["DataKey", "KeyMaterial"]


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key that may be used.

    Attributes:
        key_id: 8 bytes.
        wrapping_key: The AES-KW key, 32 bytes.
        hedge_mac: HMAC-SHA256 of hedges, to be copied.
    """

    key_id: bytes
    wrapping_key: bytes = field(repr=False)
    hedge_mac: HMAC = field(repr=False)

    @classmethod
    def of(cls, key: KeyVersion) -> DataKey:
        """Derive the sub-keys of a data key."""
        return cls(key.key_id, derive(key.secret, DATA_WRAP), keyed_mac(key.secret, DATA_HEDGE))


class KeyMaterial:
    """What the hot path looks up, by key id alone; replaced as a whole, never changed.

    Attributes:
        epoch: The epoch of the document that it comes from.
        id_mac: HMAC-SHA256 of scope ids and key ids, to be copied.
        ref_macs: HMAC-SHA256 of refs by ref key id, to be copied; usable keys only.
        ref_key_id: The primary ref key, 4 bytes.
        data_keys: By data key id; usable keys only.
        primary: The data key that is used to write.
        statuses: Of every key, by role and id.
    """

    __slots__ = (
        "data_keys",
        "epoch",
        "id_mac",
        "primary",
        "ref_key_id",
        "ref_macs",
        "statuses",
    )

    def __init__(self, record: KeyringRecord) -> None:
        """Derive everything from the secrets of a record."""
        usable = [key for key in record.keys if key.status in Status.USABLE]
        self.epoch = record.epoch
        self.id_mac = keyed_mac(record.primary("id").secret, ID_MAC)
        self.ref_macs = {key.key_id: keyed_mac(key.secret, REF_MAC) for key in usable if key.role == "ref"}
        self.ref_key_id = record.primary("ref").key_id
        self.data_keys = {key.key_id: DataKey.of(key) for key in usable if key.role == "data"}
        self.primary = self.data_keys[record.primary("data").key_id]
        self.statuses = {(key.role, key.key_id): key.status for key in record.keys}
