"""The head record: which parts make up a split value.

Canonical msgpack `[generation (bin 16), part count, size]`; size is what the parts' payloads add up to, in bytes,
before the layers that stand after the split. In the envelope of the head those layers encode the record, as the parts.

Source: docs/format.md, "Head and parts".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lamella.errors import IntegrityError, LimitExceededError
from lamella.wire.locator import GENERATION_BYTES
from lamella.wire.record import RecordType, pack_record

if TYPE_CHECKING:
    from lamella.limits import Limits

__all__ = ["HeadRecord", "pack_head", "unpack_head"]


_RECORD: Final = RecordType(tuple[bytes, int, int])


class HeadRecord(NamedTuple):
    """One generation of a split value.

    Attributes:
        generation: The random name of the write, 16 bytes.
        part_count: How many parts it has, at least 1.
        size_bytes: The bytes of all parts' payloads together.
    """

    generation: bytes
    part_count: int
    size_bytes: int


def pack_head(head: HeadRecord) -> bytes:
    """Return the record's bytes."""
    return pack_record(head)


def unpack_head(raw: bytes, limits: Limits) -> HeadRecord:
    """Return the record.

    Raises:
        IntegrityError: The bytes are not a canonical head record.
        LimitExceededError: It names more parts, or more bytes, than the limits allow.
    """
    head = HeadRecord._make(_RECORD.unpack(raw))
    generation, part_count, size_bytes = head
    if len(generation) != GENERATION_BYTES or size_bytes < 0 or not 1 <= part_count <= max(1, size_bytes):
        raise IntegrityError
    if part_count > limits.max_parts:
        raise LimitExceededError(f"the value has {part_count} parts, limits.max_parts is {limits.max_parts}")
    return head
