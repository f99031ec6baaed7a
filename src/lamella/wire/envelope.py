"""The envelope: what a stored object begins with.

| offset | size | field |
|---|---|---|
| 0 | 4 | magic `LMLA` |
| 4 | 1 | format version, 1 |
| 5 | 2 | header length h, unsigned, big-endian, at most 4,096 |
| 7 | h | header: canonical msgpack `[shape, manifest, [fact block, ...]]` |
| 7 + h | rest | payload, or the encoded head record of a split value |

Shape is 0 for a whole value and 1 for the head of a split one. A fact block is
`[position, suite, mode, flags, key id (bin 8), wrapped key (bin 40), hedge (bin 16), sealed_at]`; positions ascend.

Source: docs/format.md, "Envelope".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lamella.errors import IntegrityError
from lamella.protocols.layer import FactBlock
from lamella.wire.manifest import MAX_MANIFEST_CHARS
from lamella.wire.record import pack_record, take, unpack_record

if TYPE_CHECKING:
    from lamella.protocols.layer import Payload

__all__ = ["FORMAT", "HEAD", "MAGIC", "WHOLE", "Header", "pack_header", "read_header"]

MAGIC: Final = b"LMLA"
FORMAT: Final = 1
WHOLE: Final = 0
HEAD: Final = 1

_FIXED_BYTES: Final = 7
_MAX_HEADER_BYTES: Final = 4096
_KEY_ID_BYTES: Final = 8
_WRAPPED_KEY_BYTES: Final = 40
_HEDGE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Header:
    """The clear, authenticated facts about one stored object.

    Attributes:
        shape: `WHOLE` or `HEAD`.
        manifest: The manifest's text.
        facts: One fact block a seal, by position.
    """

    shape: int
    manifest: str
    facts: tuple[FactBlock, ...] = field(default=())


def pack_header(header: Header) -> bytes:
    """Return the leading bytes of an object, up to its payload."""
    facts = [
        [f.position, f.suite, f.mode, f.flags, f.key_id, f.wrapped_key, f.hedge, f.sealed_at] for f in header.facts
    ]
    record = pack_record([header.shape, header.manifest, facts])
    return b"%b%c%b%b" % (MAGIC, FORMAT, len(record).to_bytes(2, "big"), record)


def read_header(source: Payload) -> tuple[Header, Payload]:
    """Read a header off a stored object, and return it with the payload that follows.

    Raises:
        IntegrityError: The bytes are not an object of this format, or not its canonical spelling.
    """
    fixed, source = take(source, _FIXED_BYTES)
    length = int.from_bytes(fixed[5:], "big")
    if fixed[:4] != MAGIC or fixed[4] != FORMAT or length > _MAX_HEADER_BYTES:
        raise IntegrityError
    record, source = take(source, length)
    shape, manifest, rows = unpack_record(record, (int, str, list))
    if shape not in (WHOLE, HEAD) or len(manifest) > MAX_MANIFEST_CHARS:
        raise IntegrityError
    facts = tuple(map(_fact_block, rows))
    positions = [each.position for each in facts]
    if positions != sorted(set(positions)):
        raise IntegrityError
    return Header(shape, manifest, facts), source


def _fact_block(row: object) -> FactBlock:
    types = (int, int, int, int, bytes, bytes, bytes, int)
    if not isinstance(row, list) or [type(each) for each in row] != list(types):
        raise IntegrityError
    facts = FactBlock(*row)
    small = (facts.position, facts.suite, facts.mode, facts.flags)
    sizes = (len(facts.key_id), len(facts.wrapped_key), len(facts.hedge))
    if not all(0 <= number <= 255 for number in small) or not 0 <= facts.sealed_at < 2**64:  # noqa: PLR2004 - one byte
        raise IntegrityError
    if sizes != (_KEY_ID_BYTES, _WRAPPED_KEY_BYTES, _HEDGE_BYTES):
        raise IntegrityError
    return facts
