"""The envelope: what a stored object begins with.

| offset | size | field |
|---|---|---|
| 0 | 4 | magic `LMLA` |
| 4 | 1 | format version, 1 |
| 5 | 2 | header length h, unsigned, big-endian, at most 4,096 |
| 7 | h | header: canonical msgpack `[shape, manifest, fact blocks (bin)]` |
| 7 + h | rest | payload, or the encoded head record of a split value |

Shape is 0 for a whole value and 1 for the head of a split one. The fact blocks stand one after the other, by ascending
position; each has 76 bytes:

| offset | size | field |
|---|---|---|
| 0 | 1 | position of the seal in the manifest |
| 1 | 1 | suite |
| 2 | 1 | key mode |
| 3 | 1 | flags, 0 |
| 4 | 8 | id of the data key that wraps the value's key |
| 12 | 40 | the value's key under AES-KW |
| 52 | 16 | hedge |
| 68 | 8 | sealed_at, milliseconds since 1970-01-01 UTC, unsigned, big-endian |

Source: docs/format.md, "Envelope".
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain, pairwise, starmap
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from lamella.errors import IntegrityError, LamellaError, ManifestRefusedError
from lamella.protocols.layer import FactBlock
from lamella.wire.manifest import MAX_MANIFEST_CHARS
from lamella.wire.record import RecordType, pack_record, take_first

if TYPE_CHECKING:
    from lamella.protocols.layer import Payload

__all__ = [
    "FORMAT",
    "HEAD",
    "MAGIC",
    "MAX_HEADER_BYTES",
    "WHOLE",
    "Header",
    "pack_header",
    "read_header",
    "unpack_header",
]

MAGIC: Final = b"LMLA"
FORMAT: Final = 1
WHOLE: Final = 0
HEAD: Final = 1

MAX_HEADER_BYTES: Final = 4103
"""The longest header with what stands before it, in bytes."""

_START: Final = MAGIC + bytes([FORMAT])
_FIXED_BYTES: Final = 7
_RECORD: Final = RecordType(tuple[int, str, bytes])
_SHAPES: Final = (WHOLE, HEAD)
_FACT_BLOCK: Final = Struct(">BBBB8s40s16sQ")


class Header(NamedTuple):
    """The clear, authenticated facts about one stored object.

    Attributes:
        shape: `WHOLE` or `HEAD`.
        manifest: The manifest's text.
        facts: One fact block a seal, by position.
    """

    shape: int
    manifest: str
    facts: tuple[FactBlock, ...] = ()


def pack_header(shape: int, manifest: str, facts: tuple[FactBlock, ...] = ()) -> bytes:
    """Return the leading bytes of an object, up to its payload: the header of these three."""
    return b"".join((_before_facts(shape, manifest, len(facts)), *starmap(_FACT_BLOCK.pack, facts)))


@lru_cache(maxsize=256)
def _before_facts(shape: int, manifest: str, count: int) -> bytes:
    """Return what stands before the fact blocks: the same for every object of one manifest."""
    blocks = bytes(count * _FACT_BLOCK.size)
    record = pack_record((shape, manifest, blocks))
    return b"".join((_START, len(record).to_bytes(2, "big"), record[: len(record) - len(blocks)]))


def unpack_header(start: bytes, manifest: str | None = None, seals: int = 0) -> tuple[Header, int]:
    """Return the header that `start` begins with, and the offset of the payload behind it.

    Args:
        start: The first bytes of an object, a whole header at least.
        manifest: What the object was probably written with: such a header is compared, and parsed only if it differs.
        seals: How many seals that manifest has.

    Raises:
        IntegrityError: The bytes are not an object of this format, or not its canonical spelling.
        ManifestRefusedError: A newer release wrote them.
    """
    if manifest is not None:
        probable = _before_facts(WHOLE, manifest, seals)
        end = len(probable) + seals * _FACT_BLOCK.size
        if start.startswith(probable) and end <= len(start):
            return Header(WHOLE, manifest, _unpack_facts(start[len(probable) : end])), end
    end = _FIXED_BYTES + int.from_bytes(start[5:_FIXED_BYTES], "big")
    if not start.startswith(_START) or end > min(len(start), MAX_HEADER_BYTES):
        raise _refusal(start)
    shape, manifest, blocks = _RECORD.unpack(start[_FIXED_BYTES:end])
    if shape not in _SHAPES or len(manifest) > MAX_MANIFEST_CHARS or len(blocks) % _FACT_BLOCK.size:
        raise IntegrityError
    return Header(shape, manifest, _unpack_facts(blocks)), end


def _unpack_facts(blocks: bytes) -> tuple[FactBlock, ...]:
    facts = tuple([FactBlock._make(each) for each in _FACT_BLOCK.iter_unpack(blocks)])
    if len(facts) > 1 and any(one.position >= other.position for one, other in pairwise(facts)):
        raise IntegrityError
    return facts


def read_header(source: Payload) -> tuple[Header, Payload]:
    """Read a header off a stored object, and return it with the payload that follows; raises as `unpack_header`."""
    start, rest = take_first(source, MAX_HEADER_BYTES)
    header, end = unpack_header(start)
    return header, chain((memoryview(start)[end:],), rest)


def _refusal(start: bytes) -> LamellaError:
    """Tell a newer format, which a rolling upgrade may meet, from bytes that no release wrote."""
    if start.startswith(MAGIC) and start[4:5] > bytes([FORMAT]):
        return ManifestRefusedError(
            f"the object is of format version {start[4]}, this release reads {FORMAT}; upgrade it"
        )
    return IntegrityError()
