"""One put or get of a stream in a process of its own; prints its seconds and its peak memory as JSON.

Every child imports the same modules, so that the difference of two peaks is what the data path takes.
"""

from __future__ import annotations

import filecmp
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import straight_line
from contenders import LAYERS, addresses
from data import MIB

from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.stack import Stack
from lamella_layers.store.directory import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["run"]


def run(operation: str, who: str, kind: str, place: str) -> dict[str, float]:
    """Do it once; a put has its input in memory, a get has it in the file that it was put to.

    The baseline loads the input and does nothing with it. Every child passes one byte through the stack first: what a
    process pays once is the group `start`.
    """
    folder = Path(place)
    given = (folder / kind).read_bytes() if operation == "put" else b""
    stack = Stack(
        LAYERS, DirectoryStore(folder / "objects", fsync="off"), Keyring.open(FileKeyProvider(folder / "keyring"))
    )
    stack.get_into(stack.put_stream(addresses(1, "warm-up")[0], b"."), folder / "warm-up")
    ref, sealed, target = folder / f"{kind}.ref", folder / f"{kind}.sealed", folder / f"{who}.out"
    start = time.perf_counter()
    if (operation, who) == ("put", "lamella"):
        ref.write_text(stack.put_stream(addresses(1, kind)[0], _pieces(given), len(given)))
    elif (operation, who) == ("put", "straight"):
        straight_line.put_stream(_pieces(given), sealed)
    elif (operation, who) == ("get", "lamella"):
        stack.get_into(ref.read_text(), target)
    elif (operation, who) == ("get", "straight"):
        straight_line.get_stream(sealed, target)
    seconds = time.perf_counter() - start
    peak_mib = _peak_mib()
    if target.exists():
        if not filecmp.cmp(target, folder / kind, shallow=False):
            raise SystemExit(f"{who} does not give back what was put, so its times say nothing")
        target.unlink()
    return {"seconds": seconds, "peak_mib": peak_mib}


def _pieces(given: bytes) -> Iterator[memoryview]:
    view = memoryview(given)
    return (view[start : start + MIB] for start in range(0, len(view), MIB))


def _peak_mib() -> float:
    # The kernel hands getrusage's ru_maxrss down from the parent; this peak begins with the child's own program.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise SystemExit("this system does not tell a process its peak memory; run the benchmark on Linux")
    return int(found[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:])))
