"""Where a payload enters from a caller's source, and where it is gathered for a caller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from lamella.errors import InvalidValueError, LimitExceededError
from lamella.flow.edge import caller_source
from lamella.limits import SEGMENT_BYTES
from lamella.protocols.layer import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamella.limits import Limits
    from lamella.protocols.layer import Payload

__all__ = ["StreamSource", "gather", "pieces", "segments"]


class _Readable(Protocol):
    def read(self, size: int, /) -> Segment: ...


StreamSource = _Readable | Iterable[Segment | bytearray] | Segment | bytearray
"""What a caller may hand in: whatever reads bytes as a file does, pieces of bytes, or bytes."""


def segments(source: StreamSource, size_bytes: int | None, limits: Limits) -> Payload:
    """Yield the bytes of a caller's source in segments, and hold it to its size.

    Raises:
        InvalidValueError: It is no source, `size_bytes` is no size, or it has another one.
        LimitExceededError: It is longer than `limits.max_stream_bytes`.
    """
    if size_bytes is not None and not isinstance(size_bytes, int):
        raise InvalidValueError("size_bytes must be a whole number, or None where the size is not known")
    if not any(hasattr(source, each) for each in ("read", "__iter__", "__getitem__")):
        raise InvalidValueError(
            f"a source is a file that is open for reading bytes, pieces of bytes, or bytes, not {type(source).__name__}"
        )
    return _held_to_size(source, size_bytes, limits)


def _held_to_size(source: StreamSource, size_bytes: int | None, limits: Limits) -> Payload:
    count = 0
    for segment in caller_source(pieces(source)):
        count += len(segment)
        if count > limits.max_stream_bytes:
            raise LimitExceededError(f"the stream is longer than limits.max_stream_bytes, {limits.max_stream_bytes}")
        if size_bytes is not None and count > size_bytes:
            raise InvalidValueError(
                f"the source has at least {count} bytes, size_bytes said {size_bytes}; nothing was stored"
            )
        yield segment
    if size_bytes is not None and count != size_bytes:
        raise InvalidValueError(f"the source has {count} bytes, size_bytes said {size_bytes}; nothing was stored")


def gather(value: Payload, limits: Limits) -> Segment:
    """Return a whole value.

    Raises:
        LimitExceededError: It is longer than `limits.max_value_bytes`.
    """
    held: list[Segment] = []
    count = 0
    for segment in value:
        count += len(segment)
        limits.check_value(count)
        held.append(segment)
    return held[0] if len(held) == 1 else b"".join(held)


def pieces(source: StreamSource) -> Payload:
    """Yield what the source gives, in segments; copied where the source may use its buffer again.

    Raises:
        InvalidValueError: It gives something else than bytes.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = (source,)
    for piece in _reads(source.read) if hasattr(source, "read") else source:
        try:
            view = memoryview(piece).cast("B")
        except TypeError:
            raise InvalidValueError(
                f"the source gives {type(piece).__name__}, not bytes; open a file in binary mode, and let it block"
            ) from None
        for start in range(0, len(view), SEGMENT_BYTES):
            segment = view[start : start + SEGMENT_BYTES]
            yield segment if type(view.obj) is bytes else bytes(segment)


def _reads(read: Callable[[int], Segment]) -> Iterator[Segment]:
    """Yield what a file gives; `iter(read, b"")` would take a `StopIteration` out of it for the file's end."""
    while (piece := read(SEGMENT_BYTES)) != b"":
        yield piece
