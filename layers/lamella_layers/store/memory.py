"""Objects in the memory of one process, for tests and for trying things out.

Source: README.md in this folder, "memory".
"""

from __future__ import annotations

import os
import time
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from lamella.errors import ConfigError
from lamella.protocols.store import Store, StoredObject, Version
from lamella_layers.store.shared import check_locator, check_options, check_prefix, check_version, not_found, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from typing_extensions import Self

    from lamella.protocols.layer import Payload, Segment
    from lamella.protocols.store import Condition

__all__ = ["MemoryStore"]


class _Row(NamedTuple):
    version: Version
    body: tuple[bytes, ...]
    modified_at: float


class MemoryStore(Store):
    """A dictionary; each instance its own. A forked child has a copy of it."""

    scheme: ClassVar[str] = "memory"

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[str, _Row] = {}
        self._locks: dict[int, Lock] = {}
        self._instance = os.urandom(8).hex()
        self._counter = count(1)

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> Self:
        """Build an empty store from `memory://`."""
        check_options(cls.scheme, options, ())
        if place(cls.scheme, url):
            raise ConfigError("a memory store has no path: write 'memory://'")
        return cls()

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Keep the segments as they come."""
        check_locator(locator)
        body = tuple(map(bytes, source))
        version = Version(f"{self._instance}-{next(self._counter)}")
        with self._lock():
            if if_version is not None:
                self._check(locator, if_version)
            self._rows[locator] = _Row(version, body, time.time())
        return version

    def get(self, locator: str) -> tuple[Version, Payload]:
        """Return the segments that were put."""
        check_locator(locator)
        row = self._rows.get(locator)
        if row is None:
            raise not_found(locator)
        return row.version, iter(row.body)

    def delete(self, locator: str, *, if_version: Version | None = None) -> None:
        """Forget the object."""
        check_locator(locator)
        with self._lock():
            if if_version is not None:
                self._check(locator, if_version)
            self._rows.pop(locator, None)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """List over a copy of the names."""
        check_prefix(prefix)
        return self._list(prefix)

    def _list(self, prefix: str) -> Iterator[StoredObject]:
        for locator in tuple(self._rows):
            row = self._rows.get(locator)
            if row is not None and locator.startswith(prefix):
                yield StoredObject(locator, sum(map(len, row.body)), row.modified_at)

    def _check(self, locator: str, condition: Condition) -> None:
        row = self._rows.get(locator)
        check_version(locator, condition, None if row is None else row.version)

    def _lock(self) -> Lock:
        # One lock a process: a lock that another thread held during a fork is never released in the child.
        return self._locks.setdefault(os.getpid(), Lock())
