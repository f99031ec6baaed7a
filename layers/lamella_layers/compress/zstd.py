"""The zstd layer: each segment becomes one frame of a declared size, or stays raw where no frame was smaller.

Source: README.md in this folder, "zstd version 1"; RFC 8878.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import zstandard

from lamella.errors import ConfigError, IntegrityError, LimitExceededError
from lamella.limits import SEGMENT_BYTES
from lamella.protocols.layer import BytesLayer, Role
from lamella_layers.segments import END_WORD, SMALL_BYTES, WORD_BYTES, Reader, pack_word, parse_runs, pieces, write_runs

if TYPE_CHECKING:
    from lamella.protocols.layer import LayerContext, Payload, Segment

__all__ = ["Zstd"]

_RAW_BIT = 1 << 31
_MAX_FRAME_BYTES = 2 * SEGMENT_BYTES
_MAX_WINDOW_BYTES = 8 * 1024 * 1024
_DESCRIPTOR_AT, _SINGLE_SEGMENT = 4, 0x20
_SAMPLE_FROM_BYTES = 256 * 1024
_SAMPLE_BYTES = 64 * 1024
_SAMPLE_LEVEL = 1
_MIN_LEVEL, _MAX_LEVEL = -7, 19
_SHORT_BYTES, _SHORT_LEVEL = 2048, 1  # In so short a run the higher levels find nothing more, only later.
_TINY_BYTES, _TINY_LEVEL = 511, -3  # Repetition alone, in a tenth of the time that coding the letters takes.


@dataclass(frozen=True, slots=True, kw_only=True)
class Zstd(BytesLayer):
    """Compresses with Zstandard.

    Attributes:
        level: -7 (fastest) to 19 (smallest); decoding does not depend on it.

    Raises:
        ConfigError: The level is not a whole number in that range.
    """

    name: ClassVar[str] = "zstd"
    role: ClassVar[str] = Role.COMPRESS

    level: int = 3

    def __post_init__(self) -> None:
        """Refuse a level that zstd would silently clamp, or that costs more than it is worth."""
        if type(self.level) is not int or not _MIN_LEVEL <= self.level <= _MAX_LEVEL:
            raise ConfigError(f"zstd: level must be a whole number from {_MIN_LEVEL} to {_MAX_LEVEL}", layer=self.name)

    def encode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield the runs; a small payload of one segment is one segment again."""
        max_ratio = context.limits.max_ratio
        tail, _ = yield from write_runs(self._run(plain, max_ratio) for plain in _gather(pieces(source)))
        yield tail + END_WORD

    def decode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield the plain bytes, at most `SEGMENT_BYTES` a segment.

        Raises:
            IntegrityError: The runs are not what `encode` writes.
            LimitExceededError: A frame declares more than `max_ratio` times its own size.
        """
        reader = Reader(source, self.name)
        while word := reader.word():
            size = word & ~_RAW_BIT
            self._check_length(word)
            if word & _RAW_BIT:
                yield from reader.stream(size)
            else:
                yield _decompress(reader.exactly(size), context.limits.max_ratio)
        reader.end()

    def encode_whole(self, payload: Segment, context: LayerContext) -> bytes:
        """Return the one run of a small payload."""
        if not 0 < len(payload) <= SEGMENT_BYTES:
            return BytesLayer.encode_whole(self, payload, context)
        word, body = self._run(payload, context.limits.max_ratio)
        return b"".join((pack_word(word), body, END_WORD))

    def decode_whole(self, payload: Segment, context: LayerContext) -> bytes:
        """Return the plain bytes of a small payload; raises as `decode`."""
        word = int.from_bytes(payload[:WORD_BYTES], "big")
        end = WORD_BYTES + (word & ~_RAW_BIT)
        if end + WORD_BYTES != len(payload) or payload[end:] != END_WORD:
            return self._decode_runs(payload, context)
        self._check_length(word)
        body = payload[WORD_BYTES:end]
        plain = bytes(body) if word & _RAW_BIT else _decompress(body, context.limits.max_ratio)
        context.limits.check_value(len(plain))
        return plain

    def _decode_runs(self, payload: Segment, context: LayerContext) -> bytes:
        """Decode what is not one run."""
        runs, end = parse_runs(payload, self.name, ~_RAW_BIT)
        if end != len(payload):
            raise IntegrityError(layer=self.name)
        plain = []
        size_bytes = 0
        for word, body in runs:
            self._check_length(word)
            plain.append(body if word & _RAW_BIT else _decompress(body, context.limits.max_ratio))
            size_bytes += len(plain[-1])
            context.limits.check_value(size_bytes)
        return b"".join(plain)

    def _check_length(self, word: int) -> None:
        if not 0 < word & ~_RAW_BIT <= (SEGMENT_BYTES if word & _RAW_BIT else _MAX_FRAME_BYTES):
            raise IntegrityError(layer=self.name)

    def _run(self, plain: Segment, max_ratio: int) -> tuple[int, Segment]:
        """Return the word and the bytes of a run; raw unless the frame is smaller and may be read again."""
        size = len(plain)
        if size < _SAMPLE_FROM_BYTES or _sample_pays(plain):
            # By the size alone: what depends on the content, such as whether to try at all, would show in the length.
            highest = _TINY_LEVEL if size <= _TINY_BYTES else _SHORT_LEVEL if size <= _SHORT_BYTES else _MAX_LEVEL
            frame = _contexts.compressors[min(self.level, highest)].compress(plain)
            if len(frame) < size <= max_ratio * len(frame):
                return len(frame), frame
        return _RAW_BIT | size, plain


class _Compressors(dict[int, zstandard.ZstdCompressor]):
    """Compressors by level, each made when it is first asked for."""

    def __missing__(self, level: int) -> zstandard.ZstdCompressor:
        made = self[level] = zstandard.ZstdCompressor(level=level, write_content_size=True, write_checksum=False)
        return made


class _Contexts(threading.local):
    """The zstd contexts of one thread: costly to make, and a shared one corrupts memory."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.compressors = _Compressors()
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)


_contexts = _Contexts()
os.register_at_fork(after_in_child=_contexts.renew)


def _gather(source: Payload) -> Payload:
    """Join small neighbours up to `SEGMENT_BYTES`, since many short frames compress badly."""
    held: bytes | bytearray | memoryview = b""
    for piece in source:
        small = len(piece) < SMALL_BYTES
        if held and not (small and len(held) + len(piece) <= SEGMENT_BYTES):
            yield bytes(held)
            held = b""
        if not small:
            yield piece
        elif not held:
            held = piece
        else:
            held = held if isinstance(held, bytearray) else bytearray(held)
            held += piece
    if held:
        yield bytes(held)


def _sample_pays(plain: Segment) -> bool:
    """Tell whether the middle of a long segment shrinks to 1/1.1 or less, before all of it is compressed."""
    start = (len(plain) - _SAMPLE_BYTES) // 2
    sample = memoryview(plain)[start : start + _SAMPLE_BYTES]
    return len(_contexts.compressors[_SAMPLE_LEVEL].compress(sample)) * 11 <= _SAMPLE_BYTES * 10


def _decompress(frame: Segment, max_ratio: int) -> bytes:
    """Return the content of the one frame; its declared size is checked first, as zstd allocates it unasked."""
    # A skippable frame passes for an empty one, so the magic number is compared first.
    if frame[:4] != zstandard.FRAME_HEADER:
        raise IntegrityError(layer=Zstd.name)
    try:
        size = zstandard.frame_content_size(frame)
        # A frame of one segment has no window but its content; asking for the parameters costs as much as decoding it.
        windowed = not frame[_DESCRIPTOR_AT] & _SINGLE_SEGMENT
        if windowed and zstandard.get_frame_parameters(frame).window_size > _MAX_WINDOW_BYTES:
            raise IntegrityError(layer=Zstd.name)
    except zstandard.ZstdError:
        raise IntegrityError(layer=Zstd.name) from None
    if not 0 < size <= SEGMENT_BYTES:
        raise IntegrityError(layer=Zstd.name)
    if size > max_ratio * len(frame):
        raise LimitExceededError(
            f"zstd: a frame of {len(frame)} bytes declares {size} bytes, more than limits.max_ratio = {max_ratio} "
            "allows; raise the limit if the object is trusted",
            layer=Zstd.name,
        )
    try:
        # At the size that the frame declares, one frame, nothing behind it.
        return _contexts.decompressor.decompress(frame, 0, False, False)  # noqa: FBT003 - names cost a tenth of it
    except zstandard.ZstdError:
        raise IntegrityError(layer=Zstd.name) from None
