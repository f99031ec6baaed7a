"""The lead of a payload: the value's codec, and its address, so that whoever holds the keys can name what an object is.

| offset | size | field |
|---|---|---|
| 0 | 1 | codec: 0 JSON, 1 raw |
| 1 | 2 | record length r, unsigned, big-endian |
| 3 | r | address record: canonical msgpack `[kind, [field, value, ...], map index, key]` |
| 3 + r | rest | the value, in that codec |

Every layer encodes it together with the value, so it is compressed, padded and sealed as the value is.

Source: docs/format.md, "Payload".
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from lamella.errors import IntegrityError, LimitExceededError
from lamella.scope import Address, scope_of
from lamella.wire.codec import CODEC_JSON, CODEC_RAW
from lamella.wire.record import RecordType, pack_record, take_first

if TYPE_CHECKING:
    from lamella.protocols.layer import Payload

__all__ = ["Lead", "pack_lead", "read_lead", "unpack_lead"]

_RECORD: Final = RecordType(tuple[str, list[str], int, str])
_FIXED_BYTES: Final = 3
_MAX_RECORD_BYTES: Final = 2**16 - 1
_CODECS: Final = (CODEC_JSON, CODEC_RAW)


class Lead(NamedTuple):
    """What a payload begins with.

    Attributes:
        codec: The number of the value's codec.
        record: The address record's bytes, unread: a sealed object is bound to its address already.
    """

    codec: int
    record: bytes

    def address(self) -> Address:
        """Read the address record.

        Raises:
            IntegrityError: It is not the canonical record of an address.
        """
        kind, named, map_index, key = _RECORD.unpack(self.record)
        try:
            fields = dict(zip(named[::2], named[1::2], strict=True))
            address = Address(scope_of(kind, fields, map_index), key)
        except (ValueError, TypeError, KeyError):
            raise IntegrityError from None
        if _pack_record(address) != self.record:
            raise IntegrityError
        return address


def pack_lead(codec: int, address: Address) -> bytes:
    """Return the leading bytes of a payload.

    Raises:
        LimitExceededError: The names together are longer than 65,535 bytes.
    """
    record = _pack_record(address)
    if len(record) > _MAX_RECORD_BYTES:
        raise LimitExceededError("the names of the scope and the key are longer than 65,535 bytes together")
    return b"%c%b%b" % (codec, len(record).to_bytes(2, "big"), record)


def unpack_lead(payload: bytes) -> tuple[Lead, int]:
    """Return the lead that a payload begins with, and the offset of the value behind it.

    Raises:
        IntegrityError: The payload ends inside its lead, or the codec is unknown.
    """
    end = _FIXED_BYTES + int.from_bytes(payload[1:_FIXED_BYTES], "big")
    if end > len(payload) or payload[0] not in _CODECS:
        raise IntegrityError
    return Lead(payload[0], payload[_FIXED_BYTES:end]), end


def read_lead(source: Payload) -> tuple[Lead, Payload]:
    """Read the lead off a payload, and return it with the value that follows; raises as `unpack_lead`."""
    first, rest = take_first(source, _FIXED_BYTES)
    size_bytes = _FIXED_BYTES + int.from_bytes(first[1:_FIXED_BYTES], "big")
    first, rest = take_first(chain((first,), rest), size_bytes)
    lead, end = unpack_lead(first)
    return lead, chain((memoryview(first)[end:],), rest)


def _pack_record(address: Address) -> bytes:
    scope = address.scope
    named = [text for pair in scope.fields() for text in pair]
    return pack_record([scope.kind, named, scope.map_index, address.key])
