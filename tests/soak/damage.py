"""Damaged objects through the read path: each gives the value that was written, or a named error."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stacks import ADDRESS, RECOMMENDED, SMALL_PART_BYTES, build

from lamella.errors import LamellaError
from lamella.keys.keyring import Keyring
from lamella.testing.payloads import mutations, noise
from lamella.testing.store_objects import objects
from lamella_layers.store.memory import MemoryStore

if TYPE_CHECKING:
    from lamella.stack import Stack

__all__ = ["read_damaged"]

_FORGED = "another value"
_VALUES = ({"cursor": 7, "note": "n" * 100}, {"pad": noise(SMALL_PART_BYTES).hex()})
_ORDERS = (
    RECOMMENDED,
    "zstd | chunk | padme | cobblestone256",
    "padme | cobblestone256",
    "zstd | padme | chunk",
)


def read_damaged(count: int) -> tuple[list[str], Counter[str]]:
    """Read at least that many damaged objects; return what came out that must not, and how often what did.

    An unsealed object that was damaged may be one that was written so: of those, only errors without a name are wrong,
    and such an error ends the run.
    """
    wrong: list[str] = []
    counts: Counter[str] = Counter()
    keyring = Keyring.ephemeral("soak")
    for order in _ORDERS:
        for value in _VALUES:
            stack = build(order, MemoryStore(), keyring, part_bytes=SMALL_PART_BYTES)
            ref = stack.put(ADDRESS, value)
            stored = objects(stack.engine.store)
            share = -(-count // (len(_ORDERS) * len(_VALUES) * len(stored)))
            for locator, raw in stored.items():
                for damaged in mutations(raw, share):
                    stack.engine.store.put(locator, [damaged])
                    outcome = _outcome(stack, ref, value)
                    if outcome == _FORGED and "cobblestone256" not in order:
                        outcome = f"{_FORGED} (unsealed)"
                    elif outcome == _FORGED:
                        wrong.append(f"{order}: {outcome}")
                    counts[outcome] += 1
                stack.engine.store.put(locator, [raw])
    return wrong, counts


def _outcome(stack: Stack, ref: str, value: object) -> str:
    try:
        return "the value" if stack.get(ref) == value else _FORGED
    except LamellaError as error:
        return type(error).__name__
