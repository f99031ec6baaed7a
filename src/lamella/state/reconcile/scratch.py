"""Refs and objects side by side, in a temporary file that no other process can open.

A million of each take some 300 MB of disk and next to no memory. SQLite makes the file in `SQLITE_TMPDIR` or `TMPDIR`
and takes its name away at once, so it is gone with the process, however that ends.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lamella.errors import StoreError
from lamella.wire.codec import CODEC_RAW
from lamella.wire.lead import pack_lead, unpack_lead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

    from lamella.protocols.store import Version
    from lamella.scope import Address

__all__ = ["Listed", "Scratch"]

_CREATE: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -8192;
CREATE TABLE refs (locator TEXT NOT NULL, alias TEXT, token TEXT NOT NULL);
CREATE TABLE objects (locator TEXT NOT NULL, alias TEXT NOT NULL, modified_at REAL NOT NULL);
CREATE TABLE unwanted (locator TEXT PRIMARY KEY, version TEXT NOT NULL, lead BLOB NOT NULL) WITHOUT ROWID;
"""
_INDEX: Final = """
CREATE INDEX IF NOT EXISTS refs_at ON refs (locator, alias);
CREATE INDEX IF NOT EXISTS objects_at ON objects (locator, alias);
"""
_ORPHANS: Final = """
SELECT alias, locator, modified_at FROM objects
WHERE NOT EXISTS (SELECT 1 FROM refs WHERE refs.locator = objects.locator)
ORDER BY alias, locator
"""
_ELSEWHERE: Final = """
SELECT alias, locator, modified_at FROM objects
WHERE EXISTS (SELECT 1 FROM refs WHERE refs.locator = objects.locator)
AND NOT EXISTS (
    SELECT 1 FROM refs WHERE refs.locator = objects.locator AND (refs.alias = objects.alias OR refs.alias IS NULL)
)
"""
_DANGLING: Final = """
SELECT token FROM refs
WHERE alias IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM objects WHERE objects.locator = refs.locator AND objects.alias = refs.alias
)
"""
_HOLLOW: Final = "SELECT alias FROM refs WHERE alias IS NOT NULL EXCEPT SELECT alias FROM objects"
_ANY_REF: Final = "SELECT EXISTS (SELECT 1 FROM refs WHERE alias IS NOT NULL)"


class Listed(NamedTuple):
    """An object as its store listed it.

    Attributes:
        alias: The store.
        locator: Where it rests there.
        modified_at: When it was last put, in seconds since 1970-01-01 UTC.
    """

    alias: str
    locator: str
    modified_at: float


class Scratch:
    """What was read of the database and of the stores; closed, it is gone.

    Every method raises `StoreError` where the disk is full, as does going on with what one yields.
    """

    def __init__(self) -> None:
        """Make the file."""
        with _on_disk():
            self._database = sqlite3.connect("", isolation_level=None)
            self._database.executescript(_CREATE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add_refs(self, refs: Iterable[tuple[str, str | None, str]]) -> None:
        """Take up locators, with the alias of the store that has to have the object, and the tokens of their rows."""
        self._add("INSERT INTO refs VALUES (?, ?, ?)", refs)

    def add_objects(self, objects: Iterable[Listed]) -> None:
        """Take up a listing."""
        self._add("INSERT INTO objects (alias, locator, modified_at) VALUES (?, ?, ?)", objects)

    def orphans(self) -> Iterator[Listed]:
        """Yield the objects that no row names in whatever store, those of a folder next to each other."""
        return map(Listed._make, self._select(_ORPHANS))

    def elsewhere(self) -> Iterator[Listed]:
        """Yield the objects whose place a row names, but in another store."""
        return map(Listed._make, self._select(_ELSEWHERE))

    def dangling(self) -> Iterator[str]:
        """Yield the tokens of the rows whose object was not listed."""
        return (token for (token,) in self._select(_DANGLING))

    def hollow(self) -> Iterator[str]:
        """Yield the stores that rows refer to and that listed no object at all."""
        return (alias for (alias,) in self._select(_HOLLOW))

    def has_refs(self) -> bool:
        """Tell whether any row names an object at all."""
        return bool(next(self._select(_ANY_REF))[0])

    def add_unwanted(self, locator: str, version: Version, address: Address) -> None:
        """Take up an object that is to be removed at a version."""
        self._add("INSERT INTO unwanted VALUES (?, ?, ?)", [(locator, version, pack_lead(CODEC_RAW, address))])

    def spare(self, locators: Iterable[str]) -> None:
        """Take back objects that were to be removed."""
        self._add("DELETE FROM unwanted WHERE locator = ?", ((each,) for each in locators))

    def take_unwanted(self) -> Iterator[tuple[str, Version, Address]]:
        """Yield what is to be removed, and forget it behind the last."""
        for locator, version, lead in self._select("SELECT locator, version, lead FROM unwanted"):
            yield locator, version, unpack_lead(lead)[0].address()
        self._add("DELETE FROM unwanted", [()])

    def _add(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with _on_disk():
            self._database.execute("BEGIN")
            self._database.executemany(statement, rows)
            self._database.execute("COMMIT")

    def _select(self, query: str) -> Iterator[tuple[Any, ...]]:
        with _on_disk():
            # One sort of what is there costs a fraction of keeping an order row by row.
            self._database.executescript(_INDEX)
            yield from self._database.execute(query)


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"the temporary file of the comparison failed ({error}); set SQLITE_TMPDIR to a folder with more room, "
            "some 300 bytes for each row and each object"
        ) from error
