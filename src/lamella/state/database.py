"""The database of a worker framework: one row for each scope and key, which holds a ref.

One table in one SQLite file, `state(kind, owner, map_index, key, stored, expires_at)`: `owner` is the JSON text of the
scope's fields, `stored` a ref or, without a backend, a JSON text, and `expires_at` seconds since 1970-01-01 UTC.

Source: docs/state.md, "StateDatabase".
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lamella.errors import ConfigError, InvalidValueError, StoreError, StoreUnavailableError
from lamella.limits import DEFAULT_LIMITS
from lamella.scope import Address, scope_of
from lamella.state.scopes import owner_of
from lamella.wire.codec import encode_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from lamella.state.backend import BaseStateBackend
    from lamella.state.scopes import StateScope

__all__ = ["NEVER_EXPIRE", "StateDatabase"]

NEVER_EXPIRE: Final = dt.datetime.max.replace(tzinfo=dt.timezone.utc)
"""An `expires_at` that is never reached, whatever the retention."""

_BUSY_SECONDS: Final = 30
_MAX_ROW_BYTES: Final = DEFAULT_LIMITS.max_value_bytes + 1024**2
"""A value that no backend took, and its names."""
_CREATE: Final = """
CREATE TABLE IF NOT EXISTS state (
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    map_index INTEGER NOT NULL,
    key TEXT NOT NULL,
    stored TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (kind, owner, map_index, key)
)
"""
_SET: Final = "INSERT OR REPLACE INTO state (kind, owner, map_index, key, stored, expires_at) VALUES (?, ?, ?, ?, ?, ?)"
_GET: Final = "SELECT stored FROM state WHERE kind = ? AND owner = ? AND map_index = ? AND key = ? AND expires_at > ?"
_DELETE: Final = "DELETE FROM state WHERE kind = ? AND owner = ? AND map_index = ? AND key = ?"
_DELETE_EXPIRED: Final = (
    "DELETE FROM state WHERE kind = ? AND owner = ? AND map_index = ? AND key = ? AND expires_at <= ?"
)
_CLEAR: Final = "DELETE FROM state WHERE kind = ? AND owner = ? AND (map_index = ? OR ?)"
_EXPIRED: Final = "SELECT kind, owner, map_index, key FROM state WHERE expires_at <= ?"


class StateDatabase:
    """Rows of refs in a SQLite file; safe for threads, processes and forks, since each call opens it for itself.

    Args:
        path: The file; a relative one is taken from the working directory of now.
        retention: How long a row lives that is set without `expires_at`; None for ever.

    Raises:
        ConfigError: The path is what SQLite has for no file.
    """

    def __init__(self, path: str | os.PathLike[str], *, retention: dt.timedelta | None = None) -> None:
        """Name the file; the first call makes it."""
        if os.fspath(path) in {"", ":memory:"}:
            raise ConfigError("a state database needs a file, since each call opens it for itself; name one")
        self._path = Path(path).absolute()
        self._retention = retention

    def set(self, scope: StateScope, key: str, stored: str, *, expires_at: dt.datetime | None = None) -> None:
        """Put a row, in place of what was there.

        Args:
            scope: Whose row.
            key: Its key.
            stored: A ref, or the JSON text of a value that no backend took.
            expires_at: When the row ends; by default after the retention. `NEVER_EXPIRE` for never.

        Raises:
            InvalidValueError: It cannot be kept as a text, or the row cannot end at that time.
            StoreError: The file cannot be used.
        """
        encode_text(stored)  # SQLite would keep bytes as they are.
        self._run(_SET, (*_row(scope, key), stored, self.ends_at(expires_at)))

    def ends_at(self, expires_at: dt.datetime | None = None) -> float:
        """Return when a row ends that is set now with this `expires_at`, in seconds since 1970-01-01 UTC.

        Raises:
            InvalidValueError: It is no time that a row can end at.
        """
        try:
            if expires_at is None:
                kept = self._retention
                expires_at = NEVER_EXPIRE if kept is None else dt.datetime.now(dt.timezone.utc) + kept
            return expires_at.timestamp()
        except (AttributeError, TypeError, ValueError, OverflowError, OSError) as error:
            raise InvalidValueError(
                "expires_at must be a datetime, and retention a timedelta that ends before the year 10000; "
                "NEVER_EXPIRE is for never"
            ) from error

    def get(self, scope: StateScope, key: str) -> str | None:
        """Return what a row holds, None where there is none or it has expired; raises as `set`."""
        rows = self._run(_GET, (*_row(scope, key), _now()))[0]
        stored = rows[0][0] if rows else None
        if not (stored is None or isinstance(stored, str)):
            raise StoreError("the row holds bytes, which nobody here writes; set the value again, and find out who did")
        return stored

    def delete(self, scope: StateScope, key: str) -> None:
        """Remove a row; absent is no error. Raises as `set`."""
        self._run(_DELETE, _row(scope, key))

    def clear(self, scope: StateScope, *, all_map_indices: bool = False) -> None:
        """Remove every row of a scope, of its map index or of all; raises as `set`."""
        kind, owner, map_index, _ = _row(scope, "")
        self._run(_CLEAR, (kind, owner, map_index, all_map_indices))

    def cleanup(self, backend: BaseStateBackend | None = None) -> int:
        """Remove the rows that have expired, and what a backend keeps for them; return their number.

        A row goes before its object, as in a delete: a crash between the two leaves an object that nobody reads.

        Raises:
            StoreError: The file, or the backend's store, cannot be used.
        """
        now, removed = _now(), 0
        for kind, owner, map_index, key in self._run(_EXPIRED, (now,))[0]:
            _, count = self._run(_DELETE_EXPIRED, (kind, owner, map_index, key, now))
            removed += count
            address = _address(kind, owner, map_index, key)
            if count and backend is not None and address is not None:  # Else it was set again in the meantime.
                backend.delete(address.scope, address.key)
        if backend is not None:
            backend.cleanup()
        return removed

    def _run(self, statement: str, values: tuple[object, ...]) -> tuple[list[Any], int]:
        with self._connection() as connection, connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall(), cursor.rowcount

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        import sqlite3  # noqa: PLC0415 - a host with a database of its own does not pay for it

        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as connection:
                if sys.version_info >= (3, 11):
                    # SQLite gives a row whole, also one that somebody planted.
                    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_ROW_BYTES)
                connection.execute(_CREATE)
                yield connection
        except sqlite3.Error as error:
            # Python 3.10 gives no error code; SQLite's messages for its codes are fixed.
            if "lock" in str(error):
                raise StoreUnavailableError("the state database is locked by another writer; try again") from error
            raise StoreError(
                f"the state database failed ({error}); check the file, its folder, its disk and its permissions"
            ) from error


def _row(scope: StateScope, key: str) -> tuple[str, str, int, str]:
    scope = Address(owner_of(scope).scope, key).scope
    return scope.kind, json.dumps(scope.fields()), scope.map_index, key


def _address(kind: str, owner: str, map_index: int, key: str) -> Address | None:
    """Return the address of a row, None where its columns make none: then there is no object either."""
    try:
        return Address(scope_of(kind, dict(json.loads(owner)), map_index), key)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _now() -> float:
    return dt.datetime.now(dt.timezone.utc).timestamp()
