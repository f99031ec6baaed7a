"""One long stream through a stack in a process of its own, which prints its size, its digests and its peak memory."""

from __future__ import annotations

import hashlib
import json
import random  # noqa: TID251 - seeded, so that the stream can be made again
import re
import sys
from pathlib import Path

from stacks import ADDRESS, RECOMMENDED, build

from lamella.keys.keyring import Keyring
from lamella_layers.store.directory import DirectoryStore

__all__ = ["main"]

_MIB = 1024 * 1024


def main() -> None:
    """Carry a stream of so many MiB through objects in a folder, into a file there."""
    size_mib, folder = int(sys.argv[1]), Path(sys.argv[2])
    stack = build(RECOMMENDED, DirectoryStore(folder / "objects", fsync="off"), Keyring.ephemeral("soak"))
    put, got = hashlib.sha256(), hashlib.sha256()
    ref = stack.put_stream(ADDRESS, _pieces(size_mib, put))
    size_bytes = stack.get_into(ref, folder / "value")
    with (folder / "value").open("rb") as value:
        while piece := value.read(_MIB):
            got.update(piece)
    facts = {"size_bytes": size_bytes, "put": put.hexdigest(), "got": got.hexdigest(), "peak_mib": _peak_mib()}
    sys.stdout.write(json.dumps(facts))


def _pieces(count: int, digest):
    """Make pieces of 1 MiB, the same in every run, every other one of which compresses."""
    dice = random.Random(count)
    for number in range(count):
        piece = dice.randbytes(_MIB) if number % 2 else dice.randbytes(_MIB // 16).hex().encode() * 8
        digest.update(piece)
        yield piece


def _peak_mib() -> int:
    """Return the peak of resident memory; unlike `ru_maxrss`, this leaves out what the parent held at the fork."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024


if __name__ == "__main__":
    main()
