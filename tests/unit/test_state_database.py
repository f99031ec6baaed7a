from __future__ import annotations

import datetime as dt
import sqlite3
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from lamella.errors import (
    AddressError,
    ConfigError,
    InvalidValueError,
    ObjectNotFoundError,
    StoreError,
    StoreUnavailableError,
)
from lamella.scope import XComScope
from lamella.state import NEVER_EXPIRE, AssetScope, LayeredStateBackend, StateDatabase, TaskScope
from lamella.state import database as module

_TASK = TaskScope("dag", "run", "task")
_NOW = dt.datetime.now(dt.timezone.utc)
_PAST, _FUTURE = _NOW - dt.timedelta(days=1), _NOW + dt.timedelta(days=1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.db"


@pytest.fixture
def database(path):
    return StateDatabase(path)


def _rows(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM state").fetchall()


_SCOPES = [
    _TASK,
    TaskScope("dag", "run", "task", 3),
    TaskScope("dag", "run", "task", region_id="r", region_index=2),
    TaskScope("dag", "run", '["task"]'),
    XComScope("dag", "run", "task"),
    AssetScope(name="5"),
    AssetScope(uri="5"),
    AssetScope(asset_id=5),
]


def test_rows_of_scopes_and_keys_that_differ_are_different_rows(database, path):
    places = [(scope, key) for scope in _SCOPES for key in ("key", "KEY", "k\0y", "\N{SNOWMAN}", "..")]
    for scope, key in places:
        database.set(scope, key, f"{scope} {key}")
    assert [database.get(scope, key) for scope, key in places] == [f"{scope} {key}" for scope, key in places]
    assert len(_rows(path)) == len(places)
    database.delete(*places[0])
    assert [database.get(scope, key) is None for scope, key in places] == [True] + [False] * (len(places) - 1)


@pytest.mark.parametrize(("hours", "held"), [(5, None), (7, "row")])
def test_time_without_a_zone_is_one_of_the_local_zone(database, monkeypatch, hours, held):
    monkeypatch.setenv("TZ", "XXX-6")  # Six hours ahead of UTC.
    time.tzset()
    try:
        naive = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None) + dt.timedelta(hours=hours)
        database.set(_TASK, "key", "row", expires_at=naive)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert database.get(_TASK, "key") == held


def test_second_set_replaces_the_row_and_its_time(database, path):
    database.set(_TASK, "key", "first", expires_at=_PAST)
    database.set(_TASK, "key", "second")
    assert database.get(_TASK, "key") == "second"
    assert len(_rows(path)) == 1


def test_clear_removes_one_map_index_or_all(database):
    scopes = [TaskScope("dag", "run", "task", index) for index in (-1, 1, 11)]
    others = [TaskScope("dag", "run", "task2", 1), AssetScope(name="dag")]
    for scope in (*scopes, *others):
        database.set(scope, "key", "row")
    database.clear(scopes[1])
    assert [database.get(scope, "key") for scope in scopes] == ["row", None, "row"]
    database.clear(scopes[1], all_map_indices=True)
    assert [database.get(scope, "key") for scope in scopes] == [None] * 3
    assert [database.get(scope, "key") for scope in others] == ["row"] * 2


def test_expired_row_is_not_read(database):
    database.set(_TASK, "past", "row", expires_at=_PAST)
    database.set(_TASK, "future", "row", expires_at=_FUTURE)
    assert (database.get(_TASK, "past"), database.get(_TASK, "future")) == (None, "row")


def test_retention_ends_a_row_unless_its_own_time_says_otherwise(path):
    database = StateDatabase(path, retention=dt.timedelta(microseconds=1))
    database.set(_TASK, "kept a moment", "row")
    database.set(_TASK, "kept a day", "row", expires_at=_FUTURE)
    database.set(_TASK, "kept for ever", "row", expires_at=NEVER_EXPIRE)
    assert database.get(_TASK, "kept a moment") is None
    assert StateDatabase(path).get(_TASK, "kept a moment") is None
    assert [database.get(_TASK, key) for key in ("kept a day", "kept for ever")] == ["row"] * 2


def test_retention_of_no_time_ends_a_row_at_once(path):
    database = StateDatabase(path, retention=dt.timedelta(0))
    database.set(_TASK, "key", "row")
    assert database.get(_TASK, "key") is None
    assert database.cleanup() == 1


def test_retention_that_is_no_time_is_refused(path):
    with pytest.raises(InvalidValueError, match="retention a timedelta"):
        StateDatabase(path, retention=0).set(_TASK, "key", "row")


def test_cleanup_removes_what_expired_and_its_objects(build, database, path):
    backend = LayeredStateBackend(build("zstd | padme | cobblestone256"))
    refs = {}
    for scope in _SCOPES:
        hook = "asset" if isinstance(scope, AssetScope) else "task"
        for key, end in (("past", _PAST), ("future", _FUTURE)):
            refs[scope, key] = getattr(backend, f"serialize_{hook}_state_store_to_ref")(value=1, key=key, scope=scope)
            database.set(scope, key, refs[scope, key], expires_at=end)
    assert database.cleanup(backend) == len(_SCOPES)
    assert {row[3] for row in _rows(path)} == {"future"}
    for (_, key), ref in refs.items():
        if key == "past":
            with pytest.raises(ObjectNotFoundError):
                backend.stack.get(ref)
        else:
            assert backend.stack.get(ref) == 1
    assert database.cleanup(backend) == 0


def test_cleanup_without_a_backend_removes_rows_alone(database, path):
    database.set(_TASK, "past", "row", expires_at=_PAST)
    assert database.cleanup() == 1
    assert _rows(path) == []


@pytest.mark.parametrize(
    "plant",
    [
        "UPDATE state SET owner = 'x' WHERE key = 'planted'",
        "UPDATE state SET owner = '5' WHERE key = 'planted'",
        "UPDATE state SET owner = '[]' WHERE key = 'planted'",
        "UPDATE state SET owner = '[[\"name\", \"x\"]]' WHERE key = 'planted'",
        "UPDATE state SET owner = replace(hex(zeroblob(100000)), '00', '[') WHERE key = 'planted'",
        "UPDATE state SET owner = x'00' WHERE key = 'planted'",
        "UPDATE state SET kind = 'zz' WHERE key = 'planted'",
        "UPDATE state SET map_index = -5 WHERE key = 'planted'",
        "UPDATE state SET key = x'00' WHERE key = 'planted'",
    ],
)
def test_expired_row_that_nobody_could_have_written_is_removed_and_the_others_too(build, database, path, plant):
    backend = LayeredStateBackend(build("zstd | padme | cobblestone256"))
    for key in ("planted", "later"):
        database.set(_TASK, key, "row", expires_at=_PAST)
    ref = backend.serialize_task_state_store_to_ref(value=1, key="later", scope=_TASK)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(plant)
    assert database.cleanup(backend) == 2
    assert _rows(path) == []
    with pytest.raises(ObjectNotFoundError):
        backend.stack.get(ref)


def test_bytes_that_somebody_planted_in_a_row_are_a_store_error(database, path):
    database.set(_TASK, "key", "row")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE state SET stored = x'6c61'")
    with pytest.raises(StoreError, match="holds bytes"):
        database.get(_TASK, "key")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python sets no limits of SQLite")
def test_row_that_somebody_planted_is_refused_before_memory_is_spent(database, path, monkeypatch):
    monkeypatch.setattr(module, "_MAX_ROW_BYTES", 1_000_000)
    database.set(_TASK, "key", "x" * 900_000)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE state SET stored = cast(zeroblob(2000000) as text)")
    tracemalloc.start()
    try:
        with pytest.raises(StoreError, match="too big"):
            database.get(_TASK, "key")
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 500_000
    database.delete(_TASK, "key")
    assert database.get(_TASK, "key") is None


def test_row_that_was_set_again_survives_a_cleanup_that_had_listed_it(database, monkeypatch):
    class Backend:
        deleted = ()

        def delete(self, *place):
            self.deleted += (place,)

        def cleanup(self):
            database.set(_TASK, "cleaned", "row")

    run = StateDatabase._run

    def set_again(self, statement, values):
        found = run(self, statement, values)
        if statement == module._EXPIRED:
            database.set(_TASK, "key", "new")
        return found

    database.set(_TASK, "key", "old", expires_at=_PAST)
    monkeypatch.setattr(StateDatabase, "_run", set_again)
    backend = Backend()
    assert database.cleanup(backend) == 0
    assert (database.get(_TASK, "key"), backend.deleted) == ("new", ())
    assert database.get(_TASK, "cleaned") == "row"


def test_threads_share_a_database_that_none_of_them_made_before(database):
    def rewrite(number):
        for each in range(20):
            database.set(TaskScope("dag", "run", "task", number), "key", str(each))
        return database.get(TaskScope("dag", "run", "task", number), "key")

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(rewrite, range(6))) == ["19"] * 6


def test_locked_file_is_a_transient_error(database, path, monkeypatch):
    monkeypatch.setattr(module, "_BUSY_SECONDS", 0)
    database.set(_TASK, "key", "row")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailableError) as caught:
            database.set(_TASK, "key", "new")
        assert caught.value.transient
        connection.rollback()
    assert database.get(_TASK, "key") == "row"


@pytest.mark.parametrize("path", [":memory:", ""])
def test_database_without_a_file_is_refused(path):
    with pytest.raises(ConfigError, match="needs a file"):
        StateDatabase(path)


def test_file_that_cannot_be_used_is_an_error_that_says_what_to_check(tmp_path):
    (tmp_path / "no database").write_bytes(b"no database" * 100)
    for path in (tmp_path / "no folder" / "rows.db", tmp_path / "no database"):
        with pytest.raises(StoreError, match="check the file") as caught:
            StateDatabase(path).get(_TASK, "key")
        assert not caught.value.transient


@pytest.mark.parametrize("stored", ["\ud800", b"row", 7, None])
def test_row_that_is_no_text_is_refused_and_the_old_one_stays(database, stored):
    database.set(_TASK, "key", "row")
    with pytest.raises(InvalidValueError):
        database.set(_TASK, "key", stored)
    assert database.get(_TASK, "key") == "row"


@pytest.mark.parametrize("key", ["\ud800", 7, "k" * 5000])
def test_key_that_cannot_be_one_is_refused(database, key):
    with pytest.raises(AddressError):
        database.set(_TASK, key, "row")
