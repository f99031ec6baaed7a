"""What the SQLite store promises beyond the contract."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import signal
import sqlite3
import stat
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from lamella.combination import _PADDED
from lamella.errors import ConfigError, LimitExceededError, StoreError, StoreUnavailableError
from lamella.limits import DEFAULT_LIMITS
from lamella.wire.envelope import MAX_HEADER_BYTES
from lamella_layers.store.sqlite import SqliteStore

_LOCATOR = "o1/scope/-1/key"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


@pytest.fixture
def store(path):
    store = SqliteStore(path, busy_timeout_ms=50)
    yield store
    store.close()


def read(store, locator=_LOCATOR):
    return b"".join(store.get(locator)[1])


def test_database_is_for_its_owner_alone(store, tmp_path):
    umask = os.umask(0)
    try:
        store.put(_LOCATOR, (b"there",))
    finally:
        os.umask(umask)
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}


def test_nothing_but_the_database_stays(store, path, tmp_path):
    store.put(_LOCATOR, (b"there",))
    store.close()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("synchronous", "number"), [("full", 2), ("normal", 1), ("off", 0)])
def test_synchronous_option_reaches_the_database(path, synchronous, number):
    store = SqliteStore(path, synchronous=synchronous)
    store.put(_LOCATOR, (b"there",))
    assert store._pool.run("PRAGMA synchronous", ())[0] == [(number,)]
    assert store._pool.run("PRAGMA journal_mode", ())[0] == [("wal",)]
    store.close()


def test_database_that_another_writer_holds_is_unavailable(store, path):
    store.put(_LOCATOR, (b"old",))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="busy_timeout_ms") as caught:
            store.put(_LOCATOR, (b"new",))
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert read(store) == b"old"


def test_file_that_is_no_database_is_a_store_error(store, path):
    path.write_bytes(b"canary" * 1000)
    with pytest.raises(StoreError, match="not a database") as caught:
        store.get(_LOCATOR)
    assert not caught.value.transient
    assert "canary" not in str(caught.value)


def test_damaged_database_is_a_store_error(store, path):
    store.put(_LOCATOR, (bytes(100_000),))
    store.close()
    damaged = bytearray(path.read_bytes())
    damaged[4096:8192] = b"\xff" * 4096
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match="malformed"):
        store.get(_LOCATOR)


def test_index_that_is_out_of_order_ends_a_listing_with_an_error(store, path):
    for key in "abcde":
        store.put(f"o1/scope/{key}", (b"there",))
    store.close()
    damaged = bytearray(path.read_bytes())
    in_the_index = damaged.index(b"o1/scope/e", 8192) + len("o1/scope/")
    damaged[in_the_index] = ord("0")
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match="REINDEX"):
        list(store.list("o1/scope/"))


def test_row_of_odd_types_is_a_store_error(store, path):
    store.put(_LOCATOR, (b"there",))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE objects SET modified_at = 'abc'")
    with pytest.raises(StoreError, match="restore it from a backup"):
        list(store.list("o1/"))


def test_rows_of_other_programs_are_not_listed(store, path):
    store.put(_LOCATOR, (b"there",))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("INSERT INTO objects VALUES ('o1/scope/-1/.stray', 'v', 1.0, x'00')")
    assert [each.locator for each in store.list("o1/")] == [_LOCATOR]


def test_path_that_the_system_refuses_is_a_store_error(tmp_path):
    with pytest.raises(StoreError, match=r"cannot be reached \(File name too long\)"):
        SqliteStore(tmp_path / ("x" * 300) / "state.db").put(_LOCATOR, (b"new",))


def test_name_that_elsewhere_means_memory_is_no_file():
    with pytest.raises(ConfigError, match="use memory://"):
        SqliteStore(":memory:")


def test_database_of_another_program_is_refused_and_left_alone(store, path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="name another file"):
        store.put(_LOCATOR, (b"new",))
    assert path.read_bytes() == before


def test_database_of_a_newer_release_is_refused(store, path):
    store.put(_LOCATOR, (b"old",))
    store.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="upgrade Lamella"):
        store.get(_LOCATOR)


def test_missing_folder_is_a_store_error(tmp_path):
    with pytest.raises(StoreError, match="make its folder"):
        SqliteStore(tmp_path / "missing" / "state.db").put(_LOCATOR, (b"new",))


@contextmanager
def free_descriptors(count):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()  # What earlier tests left open would free descriptors later.
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("count", range(3))
@pytest.mark.parametrize(
    "call", [read, lambda store: store.put(_LOCATOR, (b"new",)), lambda store: list(store.list("o1/"))]
)
def test_lack_of_descriptors_may_pass(store, tmp_path, call, count):
    store.put(_LOCATOR, (b"old",))
    store.close()
    with free_descriptors(count), pytest.raises(StoreUnavailableError, match="too many files") as caught:
        call(store)
    assert caught.value.locator in {_LOCATOR, "o1/"}
    assert read(store) == b"old"
    store.close()
    assert [each.name for each in tmp_path.iterdir()] == ["state.db"]


@pytest.mark.parametrize("count", range(3))
def test_lack_of_descriptors_creates_no_file(store, tmp_path, count):
    with free_descriptors(count), pytest.raises(StoreUnavailableError):
        store.put(_LOCATOR, (b"new",))
    assert list(tmp_path.glob(".lamella-*")) == []


def test_file_that_will_not_open_later_either_is_no_passing_error(store, path):
    path.mkdir()
    with pytest.raises(StoreError, match="permissions") as caught:
        store.get(_LOCATOR)
    assert not caught.value.transient


def test_object_above_the_ceiling_is_refused_before_memory_is_spent(store):
    segment = memoryview(bytes(1_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceededError, match="'chunk'"):
            store.put(_LOCATOR, (segment for _ in range(1000)))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000


def test_ceiling_of_a_put_is_that_of_a_get(path):
    store = SqliteStore(path, max_object_bytes=1000)
    store.put(_LOCATOR, (bytes(1000),))
    assert read(store) == bytes(1000)
    with pytest.raises(LimitExceededError, match="raise the option") as caught:
        store.put(_LOCATOR, (bytes(1001),))
    assert caught.value.locator == _LOCATOR
    store.close()
    smaller = SqliteStore(path, max_object_bytes=999)
    version, payload = smaller.get(_LOCATOR)
    with pytest.raises(LimitExceededError, match="max_object_bytes of the sqlite store, 999"):
        next(payload)
    smaller.put(_LOCATOR, (b"new",), if_version=version)
    assert read(smaller) == b"new"
    smaller.close()


def test_default_ceiling_holds_whatever_the_default_limits_admit(store):
    padded = DEFAULT_LIMITS.max_value_bytes + DEFAULT_LIMITS.max_value_bytes // _PADDED
    assert padded + MAX_HEADER_BYTES < store.max_object_bytes


@pytest.mark.parametrize(
    ("planted", "refusal"),
    [
        ("UPDATE objects SET body = zeroblob(64000000)", LimitExceededError),
        ("UPDATE objects SET body = cast(zeroblob(64000000) as text)", StoreError),
        pytest.param(
            "UPDATE objects SET version = cast(zeroblob(64000000) as text)",
            StoreError,
            marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python sets no limits of SQLite"),
        ),
    ],
)
def test_row_that_somebody_planted_is_refused_before_memory_is_spent(path, forked, planted, refusal):
    store = SqliteStore(path, max_object_bytes=1_000_000)
    store.put(_LOCATOR, (b"there",))
    store.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(planted)

    def read_in_little_memory():
        held_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held_bytes + 32_000_000, -1))
        with pytest.raises(refusal):
            read(store)
        assert [each.locator for each in store.list("o1/")] == [_LOCATOR]

    with forked(read_in_little_memory) as child:
        child.join()
        assert child.exitcode == 0


def test_names_that_no_object_has_fill_no_page_of_a_listing(store, path):
    store.put(_LOCATOR, (b"there",))
    with closing(sqlite3.connect(path)) as other, other:
        rows = [("o1/\0" + "x" * 1_000_000 + str(index), "v", 1.0, b"") for index in range(20)]
        other.executemany("INSERT INTO objects VALUES (?, ?, ?, ?)", rows)
    tracemalloc.start()
    try:
        assert [each.locator for each in store.list("o1/")] == [_LOCATOR]
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 500_000


def test_disk_that_is_full_leaves_the_old_object(store, path):
    store.put(_LOCATOR, (b"old",))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(StoreError) as caught:
            store.put(_LOCATOR, (bytes(1_000_000),))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not caught.value.transient
    assert read(store) == b"old"
    store.close()
    assert path.stat().st_size < 300_000


def test_full_database_is_told_from_a_broken_one(store):
    store.put(_LOCATOR, (b"old",))
    store._pool.run("PRAGMA max_page_count = 10", ())
    with pytest.raises(StoreError, match="full, and nothing was changed; free some space") as caught:
        store.put(_LOCATOR, (bytes(100_000),))
    assert not caught.value.transient
    assert read(store) == b"old"
    store.put(_LOCATOR, (bytes(100_000),))
    assert read(store) == bytes(100_000)


def test_database_lacks_nothing_when_its_log_cannot_be_taken_up_before_it_appears(store, monkeypatch):
    readers = []

    class Unfinished(sqlite3.Connection):
        """A connection whose closing cannot write the log into the file, as on a full disk."""

        def close(self):
            (name,) = [row[2] for row in self.execute("PRAGMA database_list")]
            if ".lamella-" in name:
                readers.append(sqlite3.Connection(name))
                readers[-1].execute("BEGIN").execute("SELECT * FROM objects")
            super().close()

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Unfinished))
        store.put(_LOCATOR, (b"new",))
    assert len(readers) == 1
    readers[0].close()
    assert read(store) == b"new"


def test_creation_that_fails_leaves_nothing_beside_the_database(store, tmp_path):
    # The shared memory of the log has 32 KiB, so it is what fails, once the log itself is there.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        with pytest.raises(StoreError):
            store.put(_LOCATOR, (b"new",))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.glob(".lamella-*")) == []


def test_store_removes_what_creations_left_that_were_killed_more_than_a_day_ago(path, tmp_path, forked, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with forked(partial(SqliteStore(path).put, _LOCATOR, (b"new",))) as child:
        child.join()
        assert child.exitcode == -signal.SIGKILL
    monkeypatch.undo()
    [left] = tmp_path.iterdir()
    beside = [left.with_name(left.name + suffix) for suffix in ("-wal", "-shm", "-other")]
    for each in beside:
        each.touch()
    fresh = SqliteStore(path)
    fresh.put(_LOCATOR, (b"new",))
    fresh.close()
    assert set(tmp_path.iterdir()) == {path, left, *beside}
    for each in tmp_path.iterdir():
        os.utime(each, (1, 1))
    later = SqliteStore(path)
    assert read(later) == b"new"
    later.close()
    assert set(tmp_path.iterdir()) == {path, beside[-1]}


def test_writer_that_is_killed_leaves_the_old_object(store, forked):
    store.put(_LOCATOR, (b"old",))

    def write_and_die():
        store._pool.run("BEGIN", ())
        store._pool.run("UPDATE objects SET body = x'00'", ())
        os.kill(os.getpid(), signal.SIGKILL)

    with forked(write_and_die) as child:
        child.join()
    assert read(store) == b"old"
    store.put(_LOCATOR, (b"new",))


def test_write_of_a_child_survives_its_parent_closing(store, path, forked):
    store.put(_LOCATOR, (b"parent",))
    context = multiprocessing.get_context("fork")
    opened, closed = context.Event(), context.Event()

    def child():
        store.put("o1/first", (b"1",))
        opened.set()
        closed.wait(60)
        store.put("o1/second", (b"2",))

    with forked(child) as running:
        assert opened.wait(60)
        store.close()
        closed.set()
        running.join(60)
        assert running.exitcode == 0
    assert [read(SqliteStore(path), locator) for locator in ("o1/first", "o1/second")] == [b"1", b"2"]


def test_processes_that_create_the_database_at_once_lose_nothing(path, forked):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)

    def create(index):
        barrier.wait(60)
        SqliteStore(path).put(f"o1/{index}", (b"there",))

    with forked(create, 0) as first, forked(create, 1) as second, forked(create, 2) as third:
        barrier.wait(60)
        store = SqliteStore(path)
        for child in (first, second, third):
            child.join()
    assert sorted(each.locator for each in store.list("o1/")) == ["o1/0", "o1/1", "o1/2"]
    store.close()


def test_listing_holds_no_transaction_between_rows(store, path):
    for index in range(300):
        store.put(f"o1/{index}", (b"there",))
    listing = store.list("o1/")
    next(listing)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    assert len(list(listing)) == 299


def test_calls_at_once_have_connections_of_their_own_and_later_calls_theirs(store):
    slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000000) SELECT max(x) FROM c"
    with ThreadPoolExecutor(2) as threads:
        assert [rows for rows, _ in threads.map(store._pool.run, [slow, slow], [(), ()])] == [[(1_000_000,)]] * 2
    store.put(_LOCATOR, (b"there",))
    assert len(store._pool._idle) == 2


def test_file_that_was_replaced_under_an_open_store_is_opened_again(tmp_path):
    path, backup = tmp_path / "state.db", tmp_path / "backup.db"
    store = SqliteStore(path)
    store.put("o1/a", (b"old",))
    store.close()
    backup.write_bytes(path.read_bytes())
    store.put("o1/a", (b"newer",))
    for name in (path, *tmp_path.glob("state.db-*")):
        name.unlink()
    backup.rename(path)
    assert b"".join(store.get("o1/a")[1]) == b"old"
    store.put("o1/b", (b"after",))
    assert b"".join(SqliteStore(path).get("o1/b")[1]) == b"after"


def test_file_to_which_somebody_added_a_trigger_is_refused(tmp_path):
    store = SqliteStore(tmp_path / "state.db")
    store.put("o1/a", (b"kept",))
    store.close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("CREATE TRIGGER gone AFTER INSERT ON objects BEGIN DELETE FROM objects; END")
    with pytest.raises(StoreError, match="changed the schema"):
        store.get("o1/a")


def test_statistics_that_an_administrator_gathers_change_nothing(store, path):
    store.put(_LOCATOR, (b"kept",))
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ANALYZE")
        assert connection.execute("SELECT count(*) FROM sqlite_stat1").fetchone() == (1,)
    assert read(store) == b"kept"
    assert [each.locator for each in store.list("o1/")] == [_LOCATOR]


@pytest.mark.parametrize("statement", ["ANALYZE", "VACUUM", "REINDEX", "VACUUM INTO ?"])
def test_what_an_administrator_may_run_while_the_store_is_in_use_changes_nothing(store, path, tmp_path, statement):
    store.put(_LOCATOR, (b"kept",))
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, (str(copy),) * statement.count("?"))
        if not copy.exists():
            with closing(sqlite3.connect(copy)) as target:
                connection.backup(target)
    for each in (store, SqliteStore(path), SqliteStore(copy)):
        assert read(each) == b"kept"
        each.put("o1/new", (b"new",))
        assert len([*each.list("o1/")]) == 2


def test_other_table_under_the_name_of_statistics_is_refused(store, path):
    store.put(_LOCATOR, (b"kept",))
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE theirs(tbl,idx,stat)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET name = 'sqlite_stat1', tbl_name = 'sqlite_stat1',"
            " sql = 'CREATE TABLE sqlite_stat1(tbl,idx,stat,more)' WHERE name = 'theirs'"
        )
    with pytest.raises(StoreError, match="changed the schema"):
        store.get(_LOCATOR)


def test_restored_dump_is_refused_with_the_way_to_copy_a_database(store, path, tmp_path):
    store.put(_LOCATOR, (b"kept",))
    with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.executescript("\n".join(one.iterdump()))
    with pytest.raises(StoreError, match=r"sqlite3's \.backup"):
        SqliteStore(tmp_path / "other.db").get(_LOCATOR)
