"""Who competes: a put, a get, and the keys that it puts under."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

from measure import Case

from lamella.keys.keyring import Keyring
from lamella.protocols.store import Version
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella_layers.chunk.fixed import Chunk
from lamella_layers.compress.zstd import Zstd
from lamella_layers.encrypt.cobblestone256 import Cobblestone256
from lamella_layers.pad.padme import Padme
from lamella_layers.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lamella.protocols.layer import Layer, Payload, Segment
    from lamella.protocols.store import Condition, Store

__all__ = ["LAYERS", "Contender", "KeepStore", "addresses", "lamella", "names", "recommended_stack"]

LAYERS: tuple[Layer, ...] = (Zstd(), Padme(), Cobblestone256(), Chunk())
"""The recommended stack."""

_VERSION = Version("1")
_SCOPE = TaskScope("bench", "run-1", "task")


@dataclass(frozen=True, slots=True)
class Contender:
    """Puts values under its keys.

    Attributes:
        who: Its name.
        put: Takes a key and a value, and returns what `get` needs.
        get: Gives the value back.
        keys: One a value; values start over where there are more keys.
    """

    who: str
    put: Callable[[Any, object], Any]
    get: Callable[[Any], object]
    keys: Sequence[Any]

    def cases(self, values: Sequence[object]) -> list[Case]:
        """Put every value once, make sure that it comes back, and return the cases `put` and `get`."""
        put, get = self.put, self.get
        pairs = list(zip(self.keys, cycle(values)))
        handles = [put(key, value) for key, value in pairs]
        if any(get(handle) != value for handle, (_, value) in zip(handles, pairs, strict=True)):
            raise SystemExit(f"{self.who} does not give back what was put, so its times say nothing")

        def put_all() -> None:
            for key, value in pairs:
                put(key, value)

        def get_all() -> None:
            for handle in handles:
                get(handle)

        return [Case(("put", self.who), put_all, len(pairs)), Case(("get", self.who), get_all, len(pairs))]


class KeepStore(MemoryStore):
    """Keeps the newest segments of each locator, and nothing else: what the straight line's caller does."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self._kept: dict[str, tuple[Segment, ...]] = {}

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Keep the segments; there is no condition in a benchmark."""
        del if_version
        self._kept[locator] = tuple(source)
        return _VERSION

    def get(self, locator: str) -> tuple[Version, Payload]:
        """Return the segments."""
        return _VERSION, iter(self._kept[locator])


def recommended_stack(store: Store) -> Stack:
    """Build the recommended stack over a store, with a keyring of its own."""
    return Stack(LAYERS, store, Keyring.ephemeral("bench"))


def lamella(who: str, store: Store, count: int) -> Contender:
    """Let the recommended stack compete over a store."""
    stack = recommended_stack(store)
    return Contender(who, stack.put, stack.get, addresses(count))


def addresses(count: int, prefix: str = "key") -> list[Address]:
    """Make addresses of one scope."""
    return [Address(_SCOPE, f"{prefix}-{number}") for number in range(count)]


def names(count: int) -> list[str]:
    """Make file names."""
    return [f"{number:032x}" for number in range(count)]
