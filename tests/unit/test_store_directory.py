"""What the directory store promises beyond the contract."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack
from pathlib import Path

import pytest

from lamella.errors import ConfigError, StoreError
from lamella_layers.store import files
from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.locks import lock

_LOCATOR = "o1/scope/-1/key"
_DAY_SECONDS = 86_400


@pytest.fixture
def root(tmp_path):
    return tmp_path / "deep" / "root"


@pytest.fixture
def store(root):
    return DirectoryStore(root)


def read(store):
    return b"".join(store.get(_LOCATOR)[1])


def temporary_files(root):
    return list((root / ".tmp").iterdir())


def test_files_and_folders_are_for_their_owner_alone(store, root):
    umask = os.umask(0)
    try:
        store.put(_LOCATOR, (b"there",))
    finally:
        os.umask(umask)
    folders = [path for path in [root, *root.rglob("*")] if path.is_dir()]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*") if path.is_file()} == {0o600}


def test_object_rests_at_its_locator_as_it_is(store, root):
    store.put(_LOCATOR, (b"the ", memoryview(b"bytes")))
    assert (root / _LOCATOR).read_bytes() == b"the bytes"
    assert temporary_files(root) == []


def test_delete_removes_the_folders_that_it_empties(store, root):
    store.put("o1/scope/-1/a", (b"a",))
    store.put("o1/scope/0/b", (b"b",))
    store.delete("o1/scope/-1/a")
    assert sorted(path.name for path in (root / "o1/scope").iterdir()) == ["0"]
    store.delete("o1/scope/0/b")
    assert sorted(path.name for path in root.iterdir()) == [".locks", ".tmp"]


def test_files_of_other_programs_are_not_listed(store, root):
    store.put(_LOCATOR, (b"there",))
    (root / "o1/scope/-1/.nfs0001").write_bytes(b"")
    assert [each.locator for each in store.list("o1/")] == [_LOCATOR]


def test_writer_that_is_killed_leaves_the_old_object(store, root, forked):
    store.put(_LOCATOR, (b"old",))

    def source():
        yield b"new"
        os.kill(os.getpid(), signal.SIGKILL)

    with forked(lambda: store.put(_LOCATOR, source())) as child:
        child.join()
    assert read(store) == b"old"
    assert len(temporary_files(root)) == 1
    assert [each.size_bytes for each in store.list("o1/")] == [3]


def test_first_put_sweeps_what_dead_writers_left_a_day_ago(store, root):
    store.put(_LOCATOR, (b"there",))
    old, young = (root / ".tmp" / (2 * name.hex()) for name in (b"an older", b"a newer."))
    long_ago = time.time() - _DAY_SECONDS - 60
    for path in (old, young):
        path.write_bytes(b"left")
    os.utime(old, (long_ago, long_ago))
    DirectoryStore(root).put(_LOCATOR, (b"again",))
    assert temporary_files(root) == [young]


def test_sweep_leaves_what_no_writer_named_and_follows_no_link(store, root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    store.put(_LOCATOR, (b"there",))
    theirs, linked = root / ".tmp" / "notes.txt", elsewhere / bytes(16).hex()
    for path in (theirs, linked):
        path.write_bytes(b"theirs")
        os.utime(path, (0, 0))
    DirectoryStore(root).put(_LOCATOR, (b"again",))
    assert theirs.exists()
    theirs.unlink()
    (root / ".tmp").rmdir()
    (root / ".tmp").symlink_to(elsewhere)
    DirectoryStore(root).put(_LOCATOR, (b"again",))
    assert linked.exists()


def test_objects_with_names_that_are_too_long_are_not_listed(store, root):
    store.put(_LOCATOR, (b"there",))
    (root / "o1/scope/-1" / ("x" * 200)).write_bytes(b"theirs")
    assert [each.locator for each in store.list("o1/")] == [_LOCATOR]


def test_folders_deeper_than_any_object_end_no_listing(store, root):
    store.put(_LOCATOR, (b"there",))
    (root / "o1/scope/-1" / "/".join(["a"] * 400)).mkdir(parents=True)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, before[1]))
    try:
        assert [each.locator for each in store.list("o1/")] == [_LOCATOR]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_root_of_the_file_system_is_no_folder_of_its_own():
    with pytest.raises(ConfigError, match="needs a folder"):
        DirectoryStore("/")


def test_sweep_runs_once_a_store(store, root):
    store.put(_LOCATOR, (b"there",))
    left = root / ".tmp" / bytes(16).hex()
    left.write_bytes(b"left")
    os.utime(left, (0, 0))
    store.put(_LOCATOR, (b"again",))
    assert temporary_files(root) == [left]


@pytest.mark.parametrize(("fsync", "calls"), [("off", 0), ("file", 1), ("full", 5)])
def test_fsync_option_says_what_a_put_waits_for(root, monkeypatch, fsync, calls):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    DirectoryStore(root, fsync=fsync).put(_LOCATOR, (b"there",))
    assert len(synced) == calls


def test_delete_with_full_fsync_makes_the_removal_durable(root, monkeypatch):
    store = DirectoryStore(root, fsync="full")
    store.put("o1/a", (b"a",))
    store.put("o1/b", (b"b",))
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    store.delete("o1/a")
    assert len(synced) == 2


def test_streams_that_are_dropped_close_their_files(store):
    store.put(_LOCATOR, (bytes(3_000_000),))
    before = len(list(Path("/dev/fd").iterdir()))
    for pulled in range(2):
        _, stream = store.get(_LOCATOR)
        for _ in range(pulled):
            next(stream)
        del stream
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.parametrize("write", [lambda store: store.put(_LOCATOR, (b"new",)), lambda store: store.delete(_LOCATOR)])
def test_write_waits_for_the_writer_that_checks_a_condition(store, root, write):
    store.put(_LOCATOR, (b"old",))
    held = lock(str(root), _LOCATOR)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(write, store)
        try:
            with pytest.raises(FutureTimeoutError):
                waiting.result(timeout=0.2)
            assert read(store) == b"old"
        finally:
            held.close()
        waiting.result()


def test_lock_that_a_forked_child_inherits_is_free_once_released(store, root, forked, monkeypatch):
    store.put(_LOCATOR, (b"old",))
    with ExitStack() as children:

        def replace(*paths):
            children.enter_context(forked(time.sleep, 60))
            os.replace(*paths)  # noqa: PTH105 - what is replaced here

        monkeypatch.setattr(files, "replace", replace)
        store.put(_LOCATOR, (b"new",))
        [path] = (root / ".locks").iterdir()
        with path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_long_file_carries_the_time_of_its_writer_to_the_nanosecond(store, root, monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_456_789)
    store.put(_LOCATOR, (bytes(4096),))
    assert (root / _LOCATOR).stat().st_mtime_ns == 1_700_000_000_123_456_789


def test_short_files_of_one_inode_and_time_differ_in_version(store, root, monkeypatch):
    store.put(_LOCATOR, (b"there",))
    status = root.stat()
    monkeypatch.setattr(os, "fstat", lambda _: status)
    versions = [store.put(_LOCATOR, (bytes((last,)).rjust(4095),)) for last in range(20)]
    assert len(set(versions)) == len(versions)


def test_versions_differ_on_a_file_system_of_whole_seconds(store, monkeypatch):
    set_time = os.utime
    monkeypatch.setattr(os, "utime", lambda path, ns: set_time(path, ns=(0, 0 * ns[1])))
    versions = [store.put(_LOCATOR, (bytes((first,)) + bytes(100_000),)) for first in range(20)]
    assert len(set(versions)) == len(versions)


def test_planted_link_leads_nobody_out_of_the_store(tmp_path):
    store = DirectoryStore(tmp_path / "store")
    store.put("o1/scope/-1/key", (b"value",))
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "passwd").write_bytes(b"theirs")
    (tmp_path / "store" / "o1" / "planted").symlink_to(victim)
    with pytest.raises(StoreError, match="is a link"):
        list(store.list("o1/planted/"))
    with pytest.raises(StoreError, match="is a link"):
        store.delete("o1/planted/passwd")
    assert (victim / "passwd").read_bytes() == b"theirs"


def test_planted_pipe_blocks_no_read(tmp_path):
    store = DirectoryStore(tmp_path)
    (tmp_path / "o1").mkdir()
    os.mkfifo(tmp_path / "o1" / "pipe")
    with pytest.raises(StoreError):
        store.get("o1/pipe")


def test_file_of_another_program_is_no_object(tmp_path):
    store = DirectoryStore(tmp_path)
    store.put("o1/key", (b"value",))
    (tmp_path / "o1" / "Thumbs.db").write_bytes(b"")
    assert [found.locator for found in store.list("o1/")] == ["o1/key"]
