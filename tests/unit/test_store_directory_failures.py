"""What the directory store makes of a disk that fails."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamella.errors import ObjectNotFoundError, StoreError, StoreUnavailableError
from lamella_layers.store.directory import DirectoryStore

_LOCATOR = "o1/scope/-1/key"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def store(root):
    return DirectoryStore(root)


def read(store):
    return b"".join(store.get(_LOCATOR)[1])


def temporary_files(root):
    return list((root / ".tmp").iterdir())


@contextmanager
def files_of_at_most(size_bytes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_file_that_cannot_grow_leaves_the_old_object(store, root):
    store.put(_LOCATOR, (b"old",))
    with files_of_at_most(100_000), pytest.raises(StoreError, match="EFBIG") as caught:
        store.put(_LOCATOR, (bytes(60_000) for _ in range(3)))
    assert not caught.value.transient
    assert isinstance(caught.value.__cause__, OSError)
    assert read(store) == b"old"
    assert temporary_files(root) == []


@pytest.mark.parametrize("call", ["write", "fsync", "utime", "fstat", "replace"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, StoreError),
        (errno.EROFS, StoreError),
        (errno.EACCES, StoreError),
        (errno.EIO, StoreError),
        (errno.ESTALE, StoreUnavailableError),
        (errno.ENFILE, StoreUnavailableError),
    ],
)
def test_failing_system_call_leaves_the_old_object(root, monkeypatch, call, code, kind):
    store = DirectoryStore(root)
    store.put(_LOCATOR, (b"old",))

    def fail(*_, **__):
        raise OSError(code, "injected")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(kind, match=errno.errorcode[code]) as caught:
            store.put(_LOCATOR, (bytes(5000),))
    assert type(caught.value) is kind
    assert caught.value.locator == _LOCATOR
    assert read(store) == b"old"
    assert temporary_files(root) == []


@pytest.mark.parametrize(
    ("call", "attempt"),
    [
        ("open", lambda store: store.get(_LOCATOR)),
        ("read", lambda store: store.get(_LOCATOR)),
        ("open", lambda store: store.put(_LOCATOR, (b"new",))),
        ("open", lambda store: store.delete(_LOCATOR)),
        ("unlink", lambda store: store.delete(_LOCATOR)),
        ("scandir", lambda store: list(store.list("o1/"))),
    ],
)
def test_failing_system_call_is_a_store_error(store, monkeypatch, call, attempt):
    store.put(_LOCATOR, (b"old",))

    def fail(*_, **__):
        raise OSError(errno.EIO, "injected")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(StoreError, match="EIO"):
            attempt(store)


def test_write_that_fails_only_as_its_file_is_closed_is_a_store_error(store, root, monkeypatch):
    store.put(_LOCATOR, (b"old",))
    close = os.close

    def fail_once_closed(descriptor):
        is_new = Path(f"/dev/fd/{descriptor}").resolve().parent.name == ".tmp"
        close(descriptor)
        if is_new:
            raise OSError(errno.EDQUOT, "injected")

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", fail_once_closed)
        with pytest.raises(StoreError, match="EDQUOT") as caught:
            store.put(_LOCATOR, (b"new",))
    assert caught.value.locator == _LOCATOR
    assert read(store) == b"old"
    assert temporary_files(root) == []


def test_object_of_which_the_status_cannot_be_told_leaves_nothing_open(store, monkeypatch):
    store.put(_LOCATOR, (b"old",))

    def fail(_):
        raise OSError(errno.ESTALE, "injected")

    before = len(list(Path("/dev/fd").iterdir()))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fail)
        with pytest.raises(StoreUnavailableError, match="ESTALE"):
            store.get(_LOCATOR)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_error_in_the_middle_of_a_stream_is_a_store_error(store, monkeypatch):
    store.put(_LOCATOR, (bytes(3_000_000),))
    _, stream = store.get(_LOCATOR)
    next(stream)

    def fail(*_):
        raise OSError(errno.ESTALE, "injected")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(StoreUnavailableError):
        next(stream)


def test_os_error_of_a_source_passes_as_it_is(store):
    def source():
        yield b"new"
        raise OSError(errno.ENOSPC, "of the source")

    with pytest.raises(OSError, match="of the source"):
        store.put(_LOCATOR, source())


def test_path_that_is_a_file_is_a_store_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    store = DirectoryStore(tmp_path / "file")
    with pytest.raises(StoreError, match="ENOTDIR"):
        store.put(_LOCATOR, (b"new",))


def test_folder_that_vanishes_for_ever_is_a_store_error(store, monkeypatch):
    store.put(_LOCATOR, (b"old",))

    def fail(*_):
        raise FileNotFoundError(errno.ENOENT, "injected")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(StoreError, match="ENOENT") as caught:
        store.put(_LOCATOR, (b"new",))
    assert not isinstance(caught.value, ObjectNotFoundError)


def test_lock_table_that_is_full_is_unavailable_and_leaves_nothing_open(store, root, monkeypatch):
    store.put(_LOCATOR, (b"old",))

    def fail(*_):
        raise OSError(errno.ENOLCK, "injected")

    monkeypatch.setattr(fcntl, "flock", fail)
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(StoreUnavailableError, match="ENOLCK"):
        store.put(_LOCATOR, (b"new",))
    assert len(list(Path("/dev/fd").iterdir())) == before
    assert read(store) == b"old"
    assert temporary_files(root) == []


def test_lock_that_cannot_be_given_back_is_closed_whoever_keeps_the_error(store, root, monkeypatch):
    flock = fcntl.flock

    def fail_to_unlock(descriptor, operation):
        if operation == fcntl.LOCK_UN:
            raise OSError(errno.EIO, "canary")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", fail_to_unlock)
    with pytest.raises(StoreError, match="EIO") as caught:
        store.put(_LOCATOR, (b"new",))
    [path] = (root / ".locks").iterdir()
    with path.open("r+b") as file:
        flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert caught.value.__cause__ is not None
    assert read(store) == b"new"
