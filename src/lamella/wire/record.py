"""Canonical msgpack records, one spelling each and every length bounded; and taking them off a stream.

Source: docs/format.md, "Records"; the msgpack specification.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgpack

from lamella.errors import IntegrityError

if TYPE_CHECKING:
    from lamella.protocols.layer import Payload

__all__ = ["pack_record", "take", "unpack_record"]

_MAX_ITEMS: Final = 64
_MAX_TEXT_BYTES: Final = 64 * 1024


def pack_record(fields: list[Any]) -> bytes:
    """Return the canonical msgpack of a list of ints, texts, bytes and lists of them."""
    packed: bytes = msgpack.packb(fields, use_bin_type=True)
    return packed


def unpack_record(raw: bytes, types: tuple[type, ...]) -> list[Any]:
    """Return the fields of a record whose types are exactly `types`.

    Raises:
        IntegrityError: `raw` is not the canonical msgpack of such a record.
    """
    try:
        fields = msgpack.unpackb(
            raw,
            raw=False,
            strict_map_key=True,
            ext_hook=_refuse_extension,
            max_array_len=_MAX_ITEMS,
            max_map_len=0,
            max_ext_len=0,
            max_str_len=_MAX_TEXT_BYTES,
            max_bin_len=_MAX_TEXT_BYTES,
        )
        if isinstance(fields, list) and [type(each) for each in fields] == list(types) and pack_record(fields) == raw:
            return fields
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        pass
    raise IntegrityError


def take(source: Payload, size_bytes: int) -> tuple[bytes, Payload]:
    """Return exactly the first `size_bytes` of a payload, and the payload that follows.

    Raises:
        IntegrityError: The payload is shorter.
    """
    lead = next(source, b"")
    while len(lead) < size_bytes:
        more = next(source, None)
        if more is None:
            raise IntegrityError
        lead = b"".join((lead, more))
    return bytes(lead[:size_bytes]), chain((memoryview(lead)[size_bytes:],), source)


def _refuse_extension(code: int, body: bytes) -> NoReturn:
    del code, body
    raise ValueError
