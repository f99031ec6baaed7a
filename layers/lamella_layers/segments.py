"""Cut, frame and read segments: what the layers share about the pieces in which a payload flows.

A run is how a layer keeps lengths that are not known in advance: `u32 big-endian word || bytes`, the last one
followed by a zero word.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from lamella.errors import IntegrityError
from lamella.limits import SEGMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from lamella.protocols.layer import Payload, Segment

__all__ = ["END_WORD", "SMALL_BYTES", "WORD_BYTES", "Reader", "pack_word", "parse_runs", "pieces", "write_runs"]

SMALL_BYTES = 64 * 1024
"""Below this size, in bytes, a copy costs less than one more segment."""

WORD_BYTES = 4
END_WORD = bytes(WORD_BYTES)

pack_word = Struct(">I").pack
"""Return a big-endian 32-bit word."""


def pieces(source: Payload) -> Payload:
    """Yield the bytes of `source` uncopied, in segments of 1 to `SEGMENT_BYTES`."""
    for segment in source:
        if 0 < len(segment) <= SEGMENT_BYTES:
            yield segment
        elif segment:
            view = memoryview(segment)
            for start in range(0, len(view), SEGMENT_BYTES):
                yield view[start : start + SEGMENT_BYTES]


def write_runs(runs: Iterable[tuple[int, Segment]]) -> Generator[Segment, None, tuple[bytes, int]]:
    """Yield runs, given as word and bytes, all but the last small one; the caller joins that one to what follows.

    Returns:
        The bytes that are not yet yielded, and the size of all runs in bytes.
    """
    tail = b""
    size = 0
    for number, body in runs:
        if tail:
            yield tail
        word = pack_word(number)
        size += WORD_BYTES + len(body)
        if len(body) < SMALL_BYTES:
            tail = word + body
        else:
            yield word
            yield body
            tail = b""
    return tail, size


def parse_runs(payload: Segment, layer: str, length_mask: int) -> tuple[list[tuple[int, Segment]], int]:
    """Return the runs that a whole payload begins with, word and bytes, and the offset behind their end word.

    Raises:
        IntegrityError: The payload ends before its end word.
    """
    runs: list[tuple[int, Segment]] = []
    start = 0
    while word := int.from_bytes(payload[start : start + WORD_BYTES], "big"):
        start += WORD_BYTES
        end = start + (word & length_mask)
        runs.append((word, payload[start:end]))
        start = end
    start += WORD_BYTES
    if start > len(payload):
        raise IntegrityError(layer=layer)
    return runs, start


class Reader:
    """Reads exact lengths out of a payload, however it is cut into segments.

    It holds one segment of its source and never allocates a length before the bytes are there.
    """

    __slots__ = ("_layer", "_segment", "_source", "_start")

    def __init__(self, source: Payload, layer: str) -> None:
        """Read `source` for the layer of that name."""
        self._source = source
        self._layer = layer
        self._segment: Segment = b""
        self._start = 0

    def more(self) -> bool:
        """Tell whether a byte is left; pulls the next segment where that is needed to know."""
        while self._start == len(self._segment):
            segment = next(self._source, None)
            if segment is None:
                return False
            # A view keeps the slices of a long segment free of copies; for a short one it costs more than the copy.
            self._segment = segment if len(segment) < SMALL_BYTES else memoryview(segment)
            self._start = 0
        return True

    def up_to(self, size_bytes: int) -> Segment:
        """Return 1 to `size_bytes` bytes as they are at hand, or nothing at the end of the source."""
        if self._start == len(self._segment) and not self.more():
            return b""
        piece = self._segment[self._start : self._start + size_bytes]
        self._start += len(piece)
        return piece

    def exactly(self, size_bytes: int) -> Segment:
        """Return `size_bytes` contiguous bytes.

        Raises:
            IntegrityError: The source ends before them.
        """
        piece = self.up_to(size_bytes)
        if len(piece) == size_bytes:
            return piece
        joined = bytearray(piece)
        while len(joined) < size_bytes:
            joined += self._some(size_bytes - len(joined))
        return bytes(joined)

    def word(self) -> int:
        """Return a big-endian 32-bit word.

        Raises:
            IntegrityError: The source ends before its last byte.
        """
        return int.from_bytes(self.exactly(WORD_BYTES), "big")

    def stream(self, size_bytes: int) -> Payload:
        """Yield `size_bytes` bytes uncopied, as they come.

        Raises:
            IntegrityError: The source ends before them.
        """
        while size_bytes:
            piece = self._some(size_bytes)
            size_bytes -= len(piece)
            yield piece

    def end(self) -> None:
        """Read the end of the source.

        Raises:
            IntegrityError: More bytes follow.
        """
        if self.more():
            raise IntegrityError(layer=self._layer)

    def _some(self, size_bytes: int) -> Segment:
        piece = self.up_to(size_bytes)
        if not piece:
            raise IntegrityError(layer=self._layer)
        return piece
