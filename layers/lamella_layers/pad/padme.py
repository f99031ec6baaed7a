"""The padme layer: pads a payload so that its length tells at most a few bits.

Source: README.md in this folder, "padme version 1"; Nikitin et al., "Reducing Metadata Leakage from Encrypted Files
and Communication with PURBs", PoPETs 2019, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lamella.errors import IntegrityError
from lamella.limits import SEGMENT_BYTES
from lamella.protocols.layer import BytesLayer, Role
from lamella_layers.segments import END_WORD, SMALL_BYTES, WORD_BYTES, Reader, pack_word, parse_runs, pieces, write_runs

if TYPE_CHECKING:
    from lamella.protocols.layer import LayerContext, Payload, Segment

__all__ = ["Padme"]

_FLOOR_BYTES = 256
_MAX_RUN_BYTES = 2**31 - 1
_ZEROS = bytes(SEGMENT_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Padme(BytesLayer):
    """Pads to the next Padmé size, 256 bytes at least and at most 12 % more above that."""

    name: ClassVar[str] = "padme"
    role: ClassVar[str] = Role.PAD

    def encode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield the runs and the padding; a small payload of one segment is one segment again."""
        del context
        tail, size = yield from write_runs((len(piece), piece) for piece in pieces(source))
        size += WORD_BYTES
        padding = _padded_bytes(size) - size
        tail += END_WORD
        if padding < SMALL_BYTES:
            yield tail.ljust(len(tail) + padding, b"\0")
            return
        yield tail
        for start in range(0, padding, SEGMENT_BYTES):
            yield _ZEROS[: padding - start]

    def decode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield the runs as they come, then verify the padding.

        Raises:
            IntegrityError: The payload is not what `encode` writes.
        """
        del context
        reader = Reader(source, self.name)
        size = WORD_BYTES
        while run_bytes := reader.word():
            if run_bytes > _MAX_RUN_BYTES:
                raise IntegrityError(layer=self.name)
            size += WORD_BYTES + run_bytes
            yield from reader.stream(run_bytes)
        self._check_padding(reader, _padded_bytes(size) - size)

    def encode_whole(self, payload: Segment, context: LayerContext) -> bytes:
        """Return the one run of a small payload, padded."""
        if not 0 < len(payload) <= SEGMENT_BYTES:
            return BytesLayer.encode_whole(self, payload, context)
        runs = b"".join((pack_word(len(payload)), payload, END_WORD))
        return runs.ljust(_padded_bytes(len(runs)), b"\0")

    def decode_whole(self, payload: Segment, context: LayerContext) -> bytes:
        """Return the plain bytes of a small payload; raises as `decode`."""
        del context
        payload = bytes(payload)
        size = len(payload)
        end = WORD_BYTES + int.from_bytes(payload[:WORD_BYTES], "big")
        if end > WORD_BYTES and size == _padded_bytes(end + WORD_BYTES) and payload[end:] == bytes(size - end):
            return payload[WORD_BYTES:end]
        return self._decode_runs(payload)

    def _decode_runs(self, payload: Segment) -> bytes:
        """Decode what is not one run of a small payload."""
        runs, end = parse_runs(payload, self.name, _MAX_RUN_BYTES)
        padding = bytes(payload[end:])
        if len(payload) != _padded_bytes(end) or padding.count(0) != len(padding):
            raise IntegrityError(layer=self.name)
        if any(word > _MAX_RUN_BYTES for word, _ in runs):
            raise IntegrityError(layer=self.name)
        return b"".join([body for _, body in runs])

    def _check_padding(self, reader: Reader, left_bytes: int) -> None:
        while left_bytes:
            piece = reader.up_to(min(left_bytes, SEGMENT_BYTES))
            if not piece or not _ZEROS.startswith(piece):
                raise IntegrityError(layer=self.name)
            left_bytes -= len(piece)
        reader.end()


def _padded_bytes(size_bytes: int) -> int:
    """Round a size up to one whose floating-point mantissa is no longer than its exponent."""
    if size_bytes <= _FLOOR_BYTES:
        return _FLOOR_BYTES
    exponent = size_bytes.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size_bytes + mask) & ~mask
