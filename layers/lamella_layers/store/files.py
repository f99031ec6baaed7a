"""The file operations of the directory store.

Each opens what it needs anew: no descriptor outlives a call but that of a stream being read, so nothing is shared
between threads or carried across a fork.
"""

# ruff: noqa: PTH102, PTH105, PTH120 - path objects cost more than the system calls that they wrap

from __future__ import annotations

import errno
import os
import re
import stat
import time
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING, Final
from zlib import adler32, crc32

from lamella.errors import StoreError
from lamella.limits import SEGMENT_BYTES
from lamella.protocols.store import StoredObject, Version, is_locator
from lamella_layers.store.shared import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lamella.protocols.layer import Payload, Segment

__all__ = [
    "create",
    "current_version",
    "failure",
    "open_object",
    "replace",
    "stay_inside",
    "stream",
    "sweep",
    "sync_folder",
    "version",
    "walk",
    "write_new",
]

_TEMPORARY: Final = re.compile(r"[0-9a-f]{32}")
_VERSION: Final = Struct(">QqQII")
_STALE_SECONDS: Final = 86_400
_HEAD_BYTES: Final = 4096
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FOLDER_ATTEMPTS: Final = 100


def failure(error: OSError, locator: str) -> StoreError:
    """Name the store error that an operating system error is."""
    reason = errno.errorcode.get(error.errno or 0, "unknown error")
    return kind_of(error.errno)(
        f"the directory store failed with {reason}; check the folder's free space, permissions and mount",
        locator=locator,
    )


def create(path: str, flags: int) -> int:
    """Open a file of mode 0600; where its folder is missing, make that first."""
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        _make_folder(os.path.dirname(path))
        return os.open(path, flags, 0o600)


def open_object(path: str) -> tuple[int, os.stat_result]:
    """Open a regular file for reading; a link, or a pipe that would block, is what somebody planted.

    Raises:
        OSError: It is missing, cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "no regular file")  # noqa: TRY301 - one place closes it
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status


def stay_inside(root: str, locator: str) -> None:
    """Refuse a folder of the store that a planted link leads out of it.

    Raises:
        StoreError: A component below the root is a link.
    """
    if os.path.realpath(f"{root}/{locator}") != f"{os.path.realpath(root)}/{locator}":
        raise StoreError(
            "a folder of the directory store is a link; find out who made it, and remove it", locator=locator
        )


def version(status: os.stat_result, start: bytes) -> Version:
    """Tell two writes of one object apart by what an open file shows.

    Two writers at once have two inodes; one after the other, two times, as far as the file system tells them apart. The
    sums tell apart what is shorter than 4096 bytes, and sealed objects of any length: they begin with random bytes.
    """
    # No hash: OpenSSL's costs several times as much, and a Python in FIPS mode has no other.
    head = start[:_HEAD_BYTES]
    packed = _VERSION.pack(status.st_ino, status.st_mtime_ns, status.st_size, crc32(head), adler32(head))
    return Version(packed.hex())


def current_version(path: str) -> Version | None:
    """Return the version of the file at `path`, None where there is none."""
    try:
        descriptor, status = open_object(path)
    except FileNotFoundError:
        return None
    try:
        return version(status, os.read(descriptor, _HEAD_BYTES))
    finally:
        os.close(descriptor)


def write_new(path: str, source: Iterable[Segment], locator: str, *, sync: bool) -> Version:
    """Write the segments of `source` to a file that is not there yet, wait for them if told so, and return its version.

    Raises:
        StoreError: The file cannot be written; an error that `source` raises passes as it is.
    """
    try:
        descriptor = create(path, _NEW)
    except OSError as error:
        raise failure(error, locator) from error
    try:
        start = b""
        for segment in source:
            if len(start) < _HEAD_BYTES:
                start += bytes(segment[: _HEAD_BYTES - len(start)])
            try:
                written = os.write(descriptor, segment)
                while written < len(segment):
                    written += os.write(descriptor, memoryview(segment)[written:])
            except OSError as error:
                raise failure(error, locator) from error
        try:
            if len(start) == _HEAD_BYTES:
                # Kernels stamp files by a clock of some milliseconds; where a version's sums may not be those of all
                # bytes, it needs one that tells two writes apart.
                now = time.time_ns()
                os.utime(descriptor, ns=(now, now))
            if sync:
                os.fsync(descriptor)
            return version(os.fstat(descriptor), start)
        except OSError as error:
            raise failure(error, locator) from error
    finally:
        try:
            os.close(descriptor)
        except OSError as error:  # Network file systems tell here, and nowhere else, that the room did not suffice.
            raise failure(error, locator) from error


def replace(temporary: str, path: str) -> None:
    """Rename `temporary` to `path`, making the folder again as often as a deletion takes it away."""
    for _ in range(_FOLDER_ATTEMPTS):
        try:
            os.replace(temporary, path)
        except FileNotFoundError:
            with suppress(FileNotFoundError):
                _make_folder(os.path.dirname(path))
        else:
            return
    os.replace(temporary, path)


def stream(descriptor: int, first: bytes, locator: str) -> Payload:
    """Yield `first` and the rest of an open file, then close it."""
    payload = _stream(descriptor, first, locator)
    # Once started, a generator that is dropped unread still runs its `finally`.
    next(payload)
    return payload


def _stream(descriptor: int, first: bytes, locator: str) -> Payload:
    try:
        yield b""
        segment = first
        while segment:
            yield segment
            segment = os.read(descriptor, SEGMENT_BYTES)
    except OSError as error:
        raise failure(error, locator) from error
    finally:
        os.close(descriptor)


def walk(folder: str, prefix: str) -> Iterator[StoredObject]:
    """Yield the files below `folder`; what is removed meanwhile is left out."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                # What other programs leave, such as `.nfs0001` or `Thumbs.db`, is no object, nor is what lies below it.
                # Names end at a length, so that no folders which somebody planted lead deeper than descriptors last.
                if not is_locator(prefix + entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from walk(entry.path, f"{prefix}{entry.name}/")
                    continue
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield StoredObject(prefix + entry.name, status.st_size, status.st_mtime)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise failure(error, prefix) from error


def sweep(folder: str | os.PathLike[str], names: re.Pattern[str] = _TEMPORARY) -> None:
    """Remove the temporary files that nobody wrote to for a day: their writers are dead."""
    oldest = time.time() - _STALE_SECONDS
    # Cleaning up after others must not fail a write, nor follow a link that somebody planted.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    if names.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                        os.unlink(entry.name, dir_fd=descriptor)
        finally:
            os.close(descriptor)


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable; one that is gone needs nothing."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _make_folder(path: str) -> None:
    with suppress(FileExistsError):
        try:
            os.mkdir(path, 0o700)
        except FileNotFoundError:
            _make_folder(os.path.dirname(path))
            os.mkdir(path, 0o700)
