"""Many processes on one key: they write and read it, and their history has to be that of a register."""

from __future__ import annotations

import json
import multiprocessing
import random  # noqa: TID251 - seeded by the number of the process
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from history import NEVER, Operation, violations
from stacks import ADDRESS, RECOMMENDED, SMALL_PART_BYTES, build

from lamella.errors import LamellaError
from lamella.keys import edit
from lamella.keys.document import pack, unpack
from lamella.keys.keyring import Keyring
from lamella.registry import installed_registry

if TYPE_CHECKING:
    from pathlib import Path

    from lamella.stack import Stack

__all__ = ["STORES", "contend", "judge"]

# What waits for the disk only makes the processes meet less often.
STORES = {
    "directory": ("directory://{}/objects", {"fsync": "off"}),
    "sqlite": ("sqlite:///{}/state.db", {"synchronous": "off"}),
}

_LARGE_BYTES = 2 * SMALL_PART_BYTES
_ONE_IN = 4
_MAY = " (transient)"


class _Site(NamedTuple):
    """Where the processes meet."""

    store: str
    folder: Path
    keyring: str

    def stack(self) -> Stack:
        url, options = STORES[self.store]
        store = installed_registry().store(self.store).from_url(url.format(self.folder), options)
        return build(RECOMMENDED, store, Keyring(unpack(self.keyring)), part_bytes=SMALL_PART_BYTES)


def contend(store: str, processes: int, seconds: float, folder: Path) -> tuple[list[str], Counter[str]]:
    """Let that many processes at one key; return what no register could have done, and how often what happened."""
    site = _Site(store, folder, pack(edit.keygen("soak", created_at=1)))
    stack = site.stack()
    ref = stack.put(ADDRESS, {"name": "nothing yet"})
    with (folder / "first.log").open("w") as log:
        log.write(json.dumps(_operate(stack, ref, {"name": "first"})) + "\n")
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_child, args=(number, site, ref, seconds)) for number in range(processes)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    wrong, counts = judge(folder)
    return wrong + [f"a process ended with exit code {each.exitcode}" for each in children if each.exitcode], counts


def judge(folder: Path) -> tuple[list[str], Counter[str]]:
    """Judge the logs in a folder, as `contend` does."""
    rows = [json.loads(line) for path in folder.glob("*.log") for line in path.read_text().splitlines()]
    counts = Counter(f"{kind} {error}".rstrip() for kind, _, _, _, error in rows)
    wrong = [f"a {kind} failed with {error}" for kind, _, _, _, error in rows if error and not error.endswith(_MAY)]
    history = [Operation(*row[:4]) for row in rows if row[0] == "write" or not row[4]]
    return wrong + violations(history), counts


def _child(number: int, site: _Site, ref: str, seconds: float) -> None:
    stack = site.stack()
    dice = random.Random(number)
    with (site.folder / f"{number}.log").open("w") as log:
        count = 0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            count += 1
            value = None if dice.randrange(2) else _value(dice, f"{number}/{count}")
            log.write(json.dumps(_operate(stack, ref, value)) + "\n")


def _value(dice: random.Random, name: str) -> dict[str, str]:
    """Make a value of that name; some are long enough to be split, and do not compress."""
    return {"name": name} if dice.randrange(_ONE_IN) else {"name": name, "pad": dice.randbytes(_LARGE_BYTES).hex()}


def _operate(stack: Stack, ref: str, value: dict[str, str] | None) -> tuple[str, str, int, int, str]:
    """Write the value, or read; return kind, name, begin, end and the error, if any."""
    kind, name, error = ("read", "", "") if value is None else ("write", value["name"], "")
    begin = time.monotonic_ns()
    try:
        if value is None:
            name = stack.get(ref)["name"]
        else:
            stack.put(ADDRESS, value)
    except LamellaError as raised:
        error = type(raised).__name__ + (_MAY if raised.transient else "")
    end = NEVER if error and kind == "write" else time.monotonic_ns()
    return kind, name, begin, end, error
