"""Canonical msgpack records, one spelling each and every length bounded; and taking them off a stream.

Source: docs/format.md, "Records"; the msgpack specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgpack

from lamella.errors import IntegrityError

if TYPE_CHECKING:
    from lamella.protocols.layer import Payload

__all__ = ["lead_of", "pack_record", "unpack_record"]

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


def lead_of(source: Payload, size_bytes: int) -> tuple[bytes, Payload]:
    """Take the first bytes off a payload: at least `size_bytes` of them, or all; and return the rest beside them."""
    lead = bytes(next(source, b""))
    while len(lead) < size_bytes and (more := next(source, None)) is not None:
        lead = b"".join((lead, more))
    return lead, source


def _refuse_extension(code: int, body: bytes) -> NoReturn:
    del code, body
    raise ValueError
