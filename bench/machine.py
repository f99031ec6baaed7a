"""What a run ran on, as far as its numbers depend on it; no name of a host, a user or a folder."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import tempfile
from importlib.metadata import version
from pathlib import Path

import zstandard

__all__ = ["facts", "load", "work_folder"]

_TMPFS = Path("/dev/shm")  # noqa: S108 - a folder of a name of its own is made in it
_LIBRARIES = ("cryptography", "zstandard", "msgspec", "orjson", "msgpack")


def facts() -> dict[str, str]:
    """Return the machine, the interpreter and the libraries."""
    return {
        "cpu": f"{_cpu()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join(
            (
                *(f"{name} {version(name)}" for name in _LIBRARIES),
                f"libzstd {'.'.join(map(str, zstandard.ZSTD_VERSION))}",
            )
        ),
        "sqlite": sqlite3.sqlite_version,
        "files": "tmpfs" if _TMPFS.is_dir() else "a temporary folder on disk",
    }


def load() -> str:
    """Return how many processes wanted to run, on average over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def work_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder in tmpfs where there is one, since a disk would hide what differs."""
    return tempfile.TemporaryDirectory(prefix="lamella-bench-", dir=_TMPFS if _TMPFS.is_dir() else None)


def _cpu() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1].strip() if found else platform.machine()
