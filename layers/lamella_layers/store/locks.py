"""The locks of the directory store: empty files, of which a locator's writers all lock the same one.

A lock is opened anew each time, so that threads exclude each other and no fork shares one. It is a file object, because
one that is dropped closes itself: a signal's handler may raise between any two steps of whoever holds it.
"""

from __future__ import annotations

import fcntl
import os
from io import FileIO
from typing import Final
from zlib import crc32

from lamella_layers.store import files

__all__ = ["lock"]

_OPEN: Final = os.O_RDWR | os.O_CLOEXEC
_STRIPES: Final = tuple([f"/.locks/{number:02x}" for number in range(64)])


def lock(root: str, locator: str) -> FileIO:
    """Take the exclusive lock that a locator falls to, waiting for it.

    Who releases it unlocks it first: closing alone would leave it to a process that another thread forked meanwhile.
    """
    path = root + _STRIPES[crc32(locator.encode()) % len(_STRIPES)]
    try:
        descriptor = os.open(path, _OPEN)
    except FileNotFoundError:
        descriptor = files.create(path, _OPEN | os.O_CREAT)
    held = FileIO(descriptor, "r+")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        held.close()
        raise
    return held
