"""One table in one SQLite file.

Source: README.md in this folder, "sqlite".
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from lamella.errors import ConfigError, LimitExceededError, StoreError
from lamella.protocols.store import ABSENT, Store, StoredObject, Version, is_locator
from lamella_layers.store import files
from lamella_layers.store.shared import (
    check_locator,
    check_options,
    check_prefix,
    conflict,
    not_found,
    place,
    segments,
)
from lamella_layers.store.sqlite_file import TEMPORARY, check_schema, create_file, failure
from lamella_layers.store.sqlite_pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from typing_extensions import Self

    from lamella.protocols.layer import Payload, Segment
    from lamella.protocols.store import Condition

__all__ = ["SqliteStore"]

_Parameters = tuple[object, ...] | dict[str, object]
_Rows = list[Any]

_SYNCHRONOUS: Final = ("full", "normal", "off")
_PAGE_ROWS: Final = 256
_MAX_BUSY_TIMEOUT_MS: Final = 3_600_000
_MAX_OBJECT_BYTES: Final = 999_000_000
_ROW_BYTES: Final = 1024
"""More than all of a row that is not its body."""
_NUMBER: Final = re.compile(r"[0-9]{1,9}")

_PUT = (
    "INSERT INTO objects (locator, version, modified_at, body) VALUES (:locator, :version, :modified_at, :body) "
    "ON CONFLICT (locator) DO UPDATE SET version = :version, modified_at = :modified_at, body = :body"
)
_PUT_IF_ABSENT = (
    "INSERT INTO objects (locator, version, modified_at, body) VALUES (:locator, :version, :modified_at, :body) "
    "ON CONFLICT (locator) DO NOTHING"
)
_PUT_IF_VERSION = (
    "UPDATE objects SET version = :version, modified_at = :modified_at, body = :body "
    "WHERE locator = :locator AND version = :if_version"
)
# The type and the length of a body stand before it; it is read only where it is one, and no longer than the ceiling.
_GET = (
    "SELECT version, CASE WHEN typeof(body) <> 'blob' THEN NULL WHEN length(body) > ? THEN length(body) ELSE body END "
    "FROM objects WHERE locator = ?"
)
_DELETE = "DELETE FROM objects WHERE locator = ?"
_DELETE_IF_VERSION = "DELETE FROM objects WHERE locator = ? AND version = ?"
# A page of names that are too long to be an object's would not fit into memory.
_LIST = (
    "SELECT locator, CASE typeof(body) WHEN 'blob' THEN length(body) ELSE 0 END, modified_at FROM objects "
    "WHERE locator > ? AND locator < ? AND length(CAST(locator AS BLOB)) <= 160 ORDER BY locator LIMIT ?"
)


class SqliteStore(Store):
    """A database file on a local disk. An object is joined in memory, hence `streams` is False."""

    scheme: ClassVar[str] = "sqlite"
    streams: ClassVar[bool] = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: str = "full",
        busy_timeout_ms: int = 5000,
        max_object_bytes: int = 320 * 1024**2,
    ) -> None:
        """Name the file; it is made by the first call.

        Args:
            path: The file; a relative one is taken from the working directory of now.
            synchronous: SQLite's own word: `full` survives a power cut, `normal` may lose the last writes then,
                `off` may lose the file.
            busy_timeout_ms: How long to wait for another writer, in milliseconds.
            max_object_bytes: The longest object that is put or read; a longer one is not looked at.

        Raises:
            ConfigError: The path is empty, or an option has a value that it cannot have.
        """
        if os.fspath(path) == ":memory:":
            raise ConfigError("a sqlite store needs a file; for values that live as long as the process, use memory://")
        if not os.fspath(path):
            raise ConfigError("a sqlite store needs a file: 'sqlite:///state.db' or 'sqlite:////var/lib/state.db'")
        if synchronous not in _SYNCHRONOUS:
            raise ConfigError(f"sqlite store: option synchronous is one of {', '.join(_SYNCHRONOUS)}")
        if not 0 <= busy_timeout_ms <= _MAX_BUSY_TIMEOUT_MS:
            raise ConfigError(f"sqlite store: option busy_timeout_ms is from 0 to {_MAX_BUSY_TIMEOUT_MS}")
        if not 1 <= max_object_bytes <= _MAX_OBJECT_BYTES:
            raise ConfigError(f"sqlite store: option max_object_bytes is from 1 to {_MAX_OBJECT_BYTES}")
        self.max_object_bytes: int = max_object_bytes
        self._path = Path(path).absolute()
        self._synchronous = synchronous
        self._busy_timeout_ms = busy_timeout_ms
        self._swept = False
        self._pool = Pool(self._connect, self._path)

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> Self:
        """Build the store from `sqlite:///relative` or `sqlite:////absolute`, as SQLAlchemy writes them."""
        numbers = {name: options[name] for name in ("busy_timeout_ms", "max_object_bytes") if name in options}
        check_options(cls.scheme, options, ("synchronous", "busy_timeout_ms", "max_object_bytes"))
        path = place(cls.scheme, url)
        if not path.startswith("/"):
            raise ConfigError("write three slashes before a relative path ('sqlite:///state.db'), four before '/'")
        for name, value in numbers.items():
            if _NUMBER.fullmatch(value) is None:
                raise ConfigError(f"sqlite store: option {name} is a whole number of at most 9 digits")
        synchronous = options.get("synchronous", "full")
        return cls(path[1:], synchronous=synchronous, **{name: int(value) for name, value in numbers.items()})

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Write the row in one statement, which is one transaction."""
        check_locator(locator)
        version = Version(os.urandom(16).hex())
        row = {
            "locator": locator,
            "version": version,
            "modified_at": time.time(),
            "body": self._join(source, locator),
            "if_version": if_version,
        }
        statement = _PUT if if_version is None else _PUT_IF_ABSENT if if_version is ABSENT else _PUT_IF_VERSION
        _, changed_rows = self._run(statement, row, locator)
        if not changed_rows:
            raise conflict(locator)
        return version

    def get(self, locator: str) -> tuple[Version, Payload]:
        """Read the row."""
        check_locator(locator)
        rows, _ = self._run(_GET, (self.max_object_bytes, locator), locator)
        if not rows:
            raise not_found(locator)
        version, body = rows[0]
        if isinstance(body, bytes):
            return Version(version), segments(body)
        if isinstance(body, int):
            # Refused where it is read: its version is what a writer needs to replace it.
            return Version(version), map(self._refuse, (locator,))
        raise StoreError("the row holds no bytes; restore the database from a backup", locator=locator)

    def delete(self, locator: str, *, if_version: Version | None = None) -> None:
        """Delete the row; its pages are used again, the file does not shrink."""
        check_locator(locator)
        if if_version is None:
            self._run(_DELETE, (locator,), locator)
            return
        _, changed_rows = self._run(_DELETE_IF_VERSION, (locator, if_version), locator)
        if not changed_rows:
            raise conflict(locator)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Read pages of 256 rows, each a transaction of its own."""
        check_prefix(prefix)
        return self._list(prefix)

    def close(self) -> None:
        """Close the connections that no call has."""
        self._pool.close()

    def _list(self, prefix: str) -> Iterator[StoredObject]:
        after = prefix
        end = prefix[:-1] + chr(ord("/") + 1)
        while rows := self._run(_LIST, (after, end, _PAGE_ROWS), prefix)[0]:
            for locator, size_bytes, modified_at in rows:
                if not (isinstance(locator, str) and after < locator and isinstance(modified_at, float)):
                    raise StoreError("the database is damaged; restore it from a backup, or run SQLite's REINDEX on it")
                after = locator
                if is_locator(locator):
                    yield StoredObject(locator, size_bytes, modified_at)

    def _join(self, source: Iterable[Segment], locator: str) -> bytes:
        kept = []
        size_bytes = 0
        for segment in source:
            size_bytes += len(segment)
            if size_bytes > self.max_object_bytes:
                self._refuse(locator)
            kept.append(segment)
        return b"".join(kept)

    def _refuse(self, locator: str) -> NoReturn:
        raise LimitExceededError(
            f"the object is longer than option max_object_bytes of the sqlite store, {self.max_object_bytes}; "
            "add 'chunk' to the stack, or raise the option",
            locator=locator,
        )

    def _run(self, statement: str, parameters: _Parameters, locator: str) -> tuple[_Rows, int]:
        try:
            return self._pool.run(statement, parameters)
        except sqlite3.Error as error:
            raise failure(error, self._path, locator) from error
        except OSError as error:
            raise StoreError(
                f"the database file cannot be reached ({error.strerror}); check its path and who may enter its folder",
                locator=locator,
            ) from error

    def _connect(self) -> sqlite3.Connection:
        if not self._swept:
            self._swept = True
            files.sweep(self._path.parent, TEMPORARY)
        if not self._path.exists():
            create_file(self._path)
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=self._busy_timeout_ms / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            if sys.version_info >= (3, 11):
                # For what somebody plants beside the bodies: SQLite gives a version, or a schema, whole.
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self.max_object_bytes + _ROW_BYTES)
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            check_schema(connection)
        except BaseException:
            connection.close()
            raise
        return connection
