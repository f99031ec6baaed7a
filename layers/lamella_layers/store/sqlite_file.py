"""The database file of the sqlite store: its schema, and what goes wrong with it."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from lamella.errors import StoreError, StoreUnavailableError
from lamella_layers.store.shared import kind_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TEMPORARY", "check_schema", "create_file", "failure"]

TEMPORARY: Final = re.compile(r"\.lamella-[0-9a-f]{32}(-journal|-wal|-shm)?")
"""The names under which a database is created."""

_SCHEMA_VERSION: Final = 1

# A table with row ids: without them, 8 MiB bodies were written 8 and read 6 times slower. The body stands last,
# so that a listing does not walk through it.
_CREATE: Final = """\
CREATE TABLE objects (
    locator TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    modified_at REAL NOT NULL,
    body BLOB NOT NULL
)"""
# What ANALYZE and PRAGMA optimize leave in any database, as SQLite writes it.
_STATISTICS: Final = frozenset(
    {
        ("table", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
        ("table", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
    }
)


def check_schema(connection: sqlite3.Connection) -> None:
    """Refuse a file of another program or release, and one to which somebody added tables, views or triggers.

    Raises:
        StoreError: Its schema is not that of this release.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    (schema_version,) = connection.execute("PRAGMA user_version").fetchone()
    if not schema_version:
        raise StoreError(
            "the file is empty, of another program, or restored from a dump, which leaves out what makes it a store; "
            "name another file, and copy a database with sqlite3's .backup"
        )
    if schema_version != _SCHEMA_VERSION:
        raise StoreError(
            f"the file is no store of this release (schema {schema_version}, not {_SCHEMA_VERSION}); "
            "upgrade Lamella, or name another file"
        )
    found = connection.execute("SELECT type, sql FROM sqlite_master ORDER BY type").fetchall()
    if [each for each in found if each not in _STATISTICS] != [("index", None), ("table", _CREATE)]:
        raise StoreError(
            "somebody changed the schema of the file; find out who, drop what was added, or restore it from a backup"
        )


def create_file(path: Path) -> None:
    """Create the database where there is none.

    Raises:
        StoreError: The folder is missing or cannot be written.
    """
    # The file appears complete, and of mode 0600, by linking: two processes may create it at once, and closing a
    # descriptor of a database that this process has open would drop SQLite's locks on it.
    try:
        temporary = path.parent / f".lamella-{os.urandom(16).hex()}"
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
                connection.execute(_CREATE)
                connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
                # Last: on a full disk, closing leaves in the log what the link to the file alone would lack.
                connection.execute("PRAGMA journal_mode = WAL")
            with suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            for suffix in ("", "-journal", "-wal", "-shm"):
                temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        reason = errno.errorcode.get(error.errno or 0, "unknown error")
        raise kind_of(error.errno)(
            f"the database file cannot be created ({reason}); make its folder, let this user write it, and look after "
            "its free space and the limit of open files"
        ) from error


def failure(error: sqlite3.Error, path: Path, locator: str) -> StoreError:
    """Name the store error that an error of SQLite is."""
    # Python 3.10 gives no error code; SQLite's messages for its codes are fixed.
    reason = str(error)
    if "lock" in reason:
        return StoreUnavailableError(
            "the database is locked by another writer; try again, or raise busy_timeout_ms", locator=locator
        )
    if reason == "unable to open database file" and _may_be_opened(path):
        return StoreUnavailableError(
            "the database file cannot be opened just now; most likely too many files are open: "
            "try again, or raise the limit (ulimit -n)",
            locator=locator,
        )
    if reason == "database or disk is full":
        return StoreError(
            "the disk of the database is full, and nothing was changed; free some space, then try again",
            locator=locator,
        )
    return StoreError(
        f"the database failed ({reason}); check its disk, free space, permissions and integrity, "
        "or restore it from a backup",
        locator=locator,
    )


def _may_be_opened(path: Path) -> bool:
    """Tell whether permissions allow what SQLite, which does not say why, could not open."""
    # Without opening anything: closing a descriptor of an open database would drop SQLite's locks on it.
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    return os.access(path.parent, os.W_OK | os.X_OK) and all(
        each.is_file() and os.access(each, os.R_OK | os.W_OK) for each in files if os.path.lexists(each)
    )
