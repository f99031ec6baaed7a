"""Where a payload leaves into a caller's file: through a private one, published after the last tag."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from lamella.errors import InvalidValueError, LimitExceededError
from lamella.flow.edge import caller_side
from lamella.limits import SEGMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.limits import Limits
    from lamella.protocols.layer import Payload, Segment
    from lamella.wire.lead import Lead

__all__ = ["StreamTarget", "spool_into"]

_TARGET: Final = "a target is a path, or a file that is open for writing bytes"


class _Writable(Protocol):
    def write(self, data: Segment, /) -> int | None: ...


StreamTarget = str | bytes | os.PathLike[str] | os.PathLike[bytes] | _Writable
"""What a caller may have written: a path, or whatever writes bytes as a file does."""


def spool_into(
    target: StreamTarget,
    limits: Limits,
    read: Callable[[Callable[[Lead, Payload], int]], int],
) -> int:
    """Let `read` fill a private file, then publish it at the target; return the number of bytes.

    Raises:
        InvalidValueError: The target is neither a path nor a file that is open for bytes.
        LimitExceededError: The value is longer than `limits.max_stream_bytes`.
        OSError: The target cannot be written.
    """
    if isinstance(target, (str, bytes, os.PathLike)):
        # A link is followed, and what is no file (a device, a pipe) is written into, never replaced.
        final = _followed(target)
        if final.is_file() or not final.exists():
            return _spool_to_path(final, limits, read)
        with final.open("wb") as opened:
            return spool_into(opened, limits, read)
    try:
        target.write(b"")  # What cannot be written is told before the whole value is read for it.
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidValueError(f"{_TARGET}, and this {type(target).__name__} is not") from error
    with tempfile.TemporaryFile() as spool:
        count = read(lambda _, value: _fill(spool, value, limits))
        spool.seek(0)
        while segment := spool.read(SEGMENT_BYTES):
            _write_all(target, segment)
    return count


def _followed(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Path:
    """Return the path behind all links; what Path.resolve makes of a loop depends on the Python."""
    try:
        given = Path(os.fsdecode(path))
        final = Path(os.path.realpath(given))
    except (TypeError, ValueError) as error:
        raise InvalidValueError(f"{_TARGET}, and this is no path: {type(error).__name__}") from None
    if final.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(final))
    # The pipe behind /dev/stdout, or behind the /dev/fd/63 of a shell, has no path of its own.
    return given if given.exists() and not final.exists() else final


def _spool_to_path(final: Path, limits: Limits, read: Callable[[Callable[[Lead, Payload], int]], int]) -> int:
    handle, private = tempfile.mkstemp(prefix=".lamella-", suffix=".partial", dir=final.parent)
    try:
        with os.fdopen(handle, "wb", buffering=0) as spool:
            count = read(lambda _, value: _fill(spool, value, limits))
            os.fsync(spool.fileno())
        Path(private).replace(final)
    except BaseException:
        Path(private).unlink(missing_ok=True)
        raise
    return count


def _fill(spool: BinaryIO, value: Payload, limits: Limits) -> int:
    """Write the value from the file's start on, whatever an earlier try left there."""
    with caller_side():
        spool.seek(0)
        spool.truncate()
    count = 0
    for segment in value:
        count += len(segment)
        if count > limits.max_stream_bytes:
            raise LimitExceededError(f"the value is longer than limits.max_stream_bytes, {limits.max_stream_bytes}")
        with caller_side():
            _write_all(spool, segment)
    return count


def _write_all(target: _Writable, segment: Segment) -> None:
    """Write a segment to its end, since an unbuffered file takes as much as it can."""
    rest = memoryview(segment)
    while rest:
        written = target.write(rest)
        if written is None or written < 1:  # Asked again, a target that takes nothing would be asked for ever.
            raise BlockingIOError("the target would block; open it as a blocking file")
        rest = rest[written:]
