"""The locks of the directory store: empty files, of which a locator's writers all lock the same one.

A lock is opened anew each time, so that threads exclude each other and no fork shares one.
"""

from __future__ import annotations

import fcntl
import os
from typing import Final
from zlib import crc32

from lamella_layers.store import files

__all__ = ["lock", "unlock"]

_OPEN: Final = os.O_RDWR | os.O_CLOEXEC
_STRIPES: Final = tuple([f"/.locks/{number:02x}" for number in range(64)])


def lock(root: str, locator: str) -> int:
    """Take the exclusive lock that a locator falls to, waiting for it, and return what `unlock` takes."""
    path = root + _STRIPES[crc32(locator.encode()) % len(_STRIPES)]
    try:
        descriptor = os.open(path, _OPEN)
    except FileNotFoundError:
        descriptor = files.create(path, _OPEN | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def unlock(descriptor: int) -> None:
    """Release what `lock` took."""
    try:
        # Closing alone would leave the lock to a process that another thread forked in the meantime.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
