"""The address record: the first field of every payload, so that whoever holds the keys can name what an object is.

| offset | size | field |
|---|---|---|
| 0 | 2 | record length r, unsigned, big-endian |
| 2 | r | canonical msgpack `[codec, kind, [field, value, ...], map index, key]` |
| 2 + r | rest | the value, in that codec |

It is encoded by every layer together with the value, so it is compressed, padded and sealed as the value is.

Source: docs/format.md, "Payload".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lamella.errors import AddressError, IntegrityError, LimitExceededError
from lamella.scope import Address, AssetScope, TaskScope, XComScope
from lamella.wire.codec import CODEC_JSON, CODEC_RAW
from lamella.wire.record import pack_record, take, unpack_record

if TYPE_CHECKING:
    from lamella.protocols.layer import Payload
    from lamella.scope import Scope

__all__ = ["AddressRecord", "pack_address", "read_record"]

_LENGTH_BYTES: Final = 2
_MAX_RECORD_BYTES: Final = 2**16 - 1


def pack_address(codec: int, address: Address) -> bytes:
    """Return the leading bytes of a payload.

    Raises:
        LimitExceededError: The names together are longer than 65,535 bytes.
    """
    scope = address.scope
    named = [text for pair in scope.fields() for text in pair]
    record = pack_record([codec, scope.kind, named, scope.map_index, address.key])
    if len(record) > _MAX_RECORD_BYTES:
        raise LimitExceededError("the names of the scope and the key are longer than 65,535 bytes together")
    return len(record).to_bytes(_LENGTH_BYTES, "big") + record


def read_record(source: Payload) -> tuple[AddressRecord, Payload]:
    """Read the address record off a payload, and return it with the value's bytes that follow.

    Raises:
        IntegrityError: The payload does not begin with a canonical record.
    """
    length, source = take(source, _LENGTH_BYTES)
    raw, source = take(source, int.from_bytes(length, "big"))
    codec, kind, named, map_index, key = unpack_record(raw, (int, str, list, int, str))
    if codec not in (CODEC_JSON, CODEC_RAW):
        raise IntegrityError
    return AddressRecord(codec, kind, named, map_index, key), source


class AddressRecord(NamedTuple):
    """What an address record says; `address` checks that it can be one."""

    codec: int
    kind: str
    named: list[Any]
    map_index: int
    key: str

    def address(self) -> Address:
        """Return the address.

        Raises:
            IntegrityError: No address has such a record.
        """
        try:
            texts = dict(zip(self.named[::2], self.named[1::2], strict=True))
            return Address(_scope(self.kind, texts, self.map_index), self.key)
        except (AddressError, ValueError, TypeError, KeyError):
            raise IntegrityError from None


def _scope(kind: str, fields: dict[str, Any], map_index: int) -> Scope:
    for name in fields.keys() & {"asset_id", "region_index"}:
        fields[name] = int(fields[name])
    if kind == AssetScope.kind:
        return AssetScope(**fields)
    return {TaskScope.kind: TaskScope, XComScope.kind: XComScope}[kind](**fields, map_index=map_index)
