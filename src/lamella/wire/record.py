"""Canonical msgpack records, one spelling each and every length bounded; and taking them off a stream.

Source: docs/format.md, "Records"; the msgpack specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from lamella.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.protocols.layer import Payload

__all__ = ["RecordType", "pack_record", "take_first"]

T = TypeVar("T")

pack_record: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder(enc_hook=str.__str__).encode
"""Return the canonical msgpack of ints, texts, bytes and sequences of them: the shortest spelling of each.

A text may be of a subclass of str, as hosts hand them in.
"""


class RecordType(Generic[T]):
    """The field types of one kind of record; a length that its bytes claim is never allocated before they are there."""

    __slots__ = ("_decode",)

    def __init__(self, fields: type[T]) -> None:
        """Take the fields as a tuple type, such as `tuple[int, str]`."""
        self._decode = msgspec.msgpack.Decoder(fields).decode

    def unpack(self, raw: bytes) -> T:
        """Return the fields of a record.

        Raises:
            IntegrityError: `raw` is not the canonical msgpack of such a record.
        """
        try:
            fields = self._decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise IntegrityError from None
        if pack_record(fields) != raw:
            raise IntegrityError
        return fields


def take_first(source: Payload, size_bytes: int) -> tuple[bytes, Payload]:
    """Take the first bytes off a payload: at least `size_bytes` of them, or all; and return the rest beside them."""
    first = bytes(next(source, b""))
    while len(first) < size_bytes and (more := next(source, None)) is not None:
        first = b"".join((first, more))
    return first, source
