"""Files of the caller: what they raise is theirs, and a target is as it was until the last tag verified."""

from __future__ import annotations

import codecs
import io
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from lamella.errors import InvalidValueError, LamellaError, ObjectNotFoundError
from lamella.scope import Address, TaskScope
from lamella.testing import FaultyStore
from lamella.testing.payloads import noise
from lamella.testing.store_objects import locators
from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.memory import MemoryStore
from lamella_layers.store.sqlite import SqliteStore

ORDERS = ("zstd | padme | cobblestone256 | chunk", "chunk | cobblestone256", "cobblestone256")
ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
OLD = noise(100_000)[50:]


class BrokenError(Exception):
    """What only the caller's file raises."""


@pytest.fixture(params=["memory", "directory", "sqlite"])
def store(request, tmp_path):
    kinds = {
        "memory": MemoryStore,
        "directory": lambda: DirectoryStore(tmp_path / "store"),
        "sqlite": lambda: SqliteStore(tmp_path / "store.db"),
    }
    store = kinds[request.param]()
    yield store
    store.close()


def _read(stack):
    target = io.BytesIO()
    stack.get_into(stack.engine.ref(stack.engine.place(ADDRESS), None), target)
    return target.getvalue()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size_bytes", [0, 10, 200_000])
@pytest.mark.parametrize("off", [-1, 1, 5_000_000])
def test_source_of_another_size_than_was_said_leaves_the_old_value(build, store, order, size_bytes, off):
    stack = build(order, store)
    stack.put_stream(ADDRESS, [OLD])
    before = locators(store)
    with pytest.raises(InvalidValueError, match=f"{size_bytes} bytes, size_bytes said {size_bytes + off}"):
        stack.put_stream(ADDRESS, io.BytesIO(noise(size_bytes)), size_bytes + off)
    assert _read(stack) == OLD
    assert locators(store) == before


@pytest.mark.parametrize("order", ORDERS)
def test_source_is_read_no_further_than_the_segment_that_passes_its_size(build, store, order):
    def endless():
        for number in range(1, 100):
            taken.append(number)
            yield noise(100_000)

    taken = []
    with pytest.raises(InvalidValueError, match="at least 300000 bytes, size_bytes said 299999"):
        build(order, store).put_stream(ADDRESS, endless(), 299_999)
    assert taken == [1, 2, 3]
    assert locators(store) == []


@pytest.mark.parametrize("order", ORDERS)
def test_file_whose_read_raises_stop_iteration_is_not_taken_for_whole(build, store, order):
    class Cut:
        def __init__(self):
            self.pieces = iter([noise(100_000)])

        def read(self, _size):
            return next(self.pieces)

    with pytest.raises(RuntimeError, match="StopIteration"):
        build(order, store).put_stream(ADDRESS, Cut())
    assert locators(store) == []


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("good_bytes", [0, 10, 70_000, 2_000_000])
@pytest.mark.parametrize("error", [BrokenError, OSError, MemoryError, KeyboardInterrupt, SystemExit])
def test_source_that_raises_leaves_the_old_value_and_its_own_error(build, store, order, good_bytes, error):
    def broken():
        yield noise(good_bytes)
        raise error("of the caller")

    stack = build(order, store)
    stack.put_stream(ADDRESS, [OLD])
    before = locators(store)
    for size_bytes in (None, 10_000_000):
        with pytest.raises(error, match="of the caller"):
            stack.put_stream(ADDRESS, broken(), size_bytes)
        assert _read(stack) == OLD
        assert locators(store) == before


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size_bytes", [0, 1, 65_535, 65_536, 65_537, 1_048_576, 1_048_577, 3_000_000])
def test_stream_comes_back_from_a_file_and_from_pieces(build, store, tmp_path, order, size_bytes):
    stack = build(order, store)
    value = noise(size_bytes)
    (tmp_path / "source").write_bytes(value)
    with (tmp_path / "source").open("rb") as source:
        ref = stack.put_stream(ADDRESS, source, size_bytes)
    assert stack.get_into(ref, tmp_path / "target") == size_bytes
    assert (tmp_path / "target").read_bytes() == value
    for pieces in ([value], [b"", bytearray(value), memoryview(b"")], [memoryview(value)]):
        ref = stack.put_stream(ADDRESS, pieces)
        with (tmp_path / "target").open("w+b") as target:
            assert stack.get_into(ref, target) == size_bytes
        assert (tmp_path / "target").read_bytes() == value


@pytest.mark.parametrize("source", [None, 5, Path("file"), object()], ids=lambda each: type(each).__name__)
def test_what_is_no_source_is_refused(build, source):
    with pytest.raises(InvalidValueError, match=f"bytes, not {type(source).__name__}"):
        build(ORDERS[0]).put_stream(ADDRESS, source)


@pytest.mark.parametrize("size_bytes", ["3", b"3", 3.0])
def test_size_that_is_none_is_refused(build, size_bytes):
    with pytest.raises(InvalidValueError, match="size_bytes must be a whole number"):
        build(ORDERS[0]).put_stream(ADDRESS, b"old", size_bytes)


def test_piece_that_is_no_bytes_is_the_caller_s_error(build):
    with pytest.raises(InvalidValueError, match="not bytes"):
        build(ORDERS[0]).put_stream(ADDRESS, ["text"])


def test_pieces_of_wider_items_are_taken_as_their_bytes(build):
    stack = build(ORDERS[0])
    stack.put_stream(ADDRESS, [memoryview(noise(800)).cast("Q")])
    assert _read(stack) == noise(800)


@pytest.mark.parametrize("view", [bytearray, memoryview, lambda buffer: memoryview(buffer).toreadonly()])
@pytest.mark.parametrize("order", ORDERS)
def test_buffer_that_the_source_fills_again_is_copied_before(build, order, view):
    stack = build(order)
    buffer = bytearray(1_000)

    def pieces():
        for byte in range(5):
            buffer[:] = bytes([byte]) * 1_000
            yield buffer if view is bytearray else view(buffer)

    stack.put_stream(ADDRESS, pieces())
    assert _read(stack) == b"".join(bytes([byte]) * 1_000 for byte in range(5))


def test_published_file_is_private_and_complete(build, tmp_path):
    stack = build(ORDERS[0])
    ref = stack.put_stream(ADDRESS, [OLD])
    target = tmp_path / "target"
    target.write_bytes(b"before")
    target.chmod(0o644)
    for path in (target, str(target)):
        old_inode = target.stat().st_ino
        assert stack.get_into(ref, path) == len(OLD)
        assert target.stat().st_mode & 0o777 == 0o600
        assert target.stat().st_ino != old_inode
        assert target.read_bytes() == OLD
    assert [each.name for each in tmp_path.iterdir()] == ["target"]


def test_nothing_is_published_before_the_store_gave_its_last_byte(build, tmp_path):
    inner = MemoryStore()
    ref = build(ORDERS[1], inner).put_stream(ADDRESS, [noise(300_000)])
    target = tmp_path / "target"
    target.write_bytes(b"before")
    seen = []

    def look():
        assert target.read_bytes() == b"before"
        seen.extend(each.stat().st_mode & 0o777 for each in tmp_path.iterdir() if each.name.startswith("."))

    counted = FaultyStore(inner)
    build(ORDERS[1], counted).get_into(ref, io.BytesIO())
    for step in range(1, counted.steps + 1):
        target.write_bytes(b"before")
        build(ORDERS[1], FaultyStore(inner, fail_at=step, fault=look)).get_into(ref, target)
        assert target.read_bytes() == noise(300_000)
    assert set(seen) == {0o600}


@pytest.mark.parametrize("error", [OSError("canary"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_read_that_fails_anywhere_leaves_the_target_and_no_file(build, tmp_path, error):
    inner = MemoryStore()
    ref = build(ORDERS[1], inner).put_stream(ADDRESS, [noise(300_000)])
    counted = FaultyStore(inner)
    build(ORDERS[1], counted).get_into(ref, io.BytesIO())
    target = tmp_path / "target"
    target.write_bytes(b"before")
    for step in range(1, counted.steps + 1):
        held = io.BytesIO()
        for each in (target, held):
            stack = build(ORDERS[1], FaultyStore(inner, fail_at=step, fault=error))
            with pytest.raises((LamellaError, KeyboardInterrupt)):
                stack.get_into(ref, each)
        assert target.read_bytes() == b"before"
        assert held.getvalue() == b""
        assert [each.name for each in tmp_path.iterdir()] == ["target"]


def test_target_that_cannot_be_written_is_the_caller_s_error(build, tmp_path):
    stack = build(ORDERS[0])
    ref = stack.put_stream(ADDRESS, [OLD])
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        stack.get_into(ref, tmp_path / "folder")
    with pytest.raises(FileNotFoundError):
        stack.get_into(ref, tmp_path / "missing" / "target")
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):  # noqa: PTH123 - a device
        stack.get_into(ref, full)
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


FULL_DISK = """
import io, resource, signal, sys
from lamella.keys.keyring import Keyring
from lamella.policy import Policy
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella_layers.store.memory import MemoryStore

layers = [installed_registry().layer(name)() for name in ("padme", "cobblestone256", "chunk")]
stack = Stack(layers, MemoryStore(), Keyring.ephemeral())
ref = stack.put_stream(Address(TaskScope("d", "r", "t"), "k"), [bytes(3_000_000)])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
for target in (sys.argv[1], io.BytesIO()):
    try:
        stack.get_into(ref, target)
    except OSError as error:
        print(type(error).__name__, error.strerror)
"""


def test_full_disk_under_the_private_file_is_no_damage_of_the_object(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "target")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "OSError File too large\n" * 2
    assert list(tmp_path.iterdir()) == []


def test_raw_stream_is_no_json_and_json_is_a_stream(build):
    stack = build(ORDERS[0])
    ref = stack.put_stream(ADDRESS, [b"[1]"])
    for get in (lambda: stack.get(ref), lambda: stack.get_at(ADDRESS)):
        with pytest.raises(InvalidValueError, match="read it with get_into"):
            get()
    assert stack.put(ADDRESS, [1, "a"]) == ref
    assert _read(stack) == b'[1,"a"]'


def test_missing_value_makes_no_file(build, tmp_path):
    stack = build(ORDERS[0])
    ref = stack.put(ADDRESS, 1)
    stack.delete(ADDRESS)
    with pytest.raises(ObjectNotFoundError):
        stack.get_into(ref, tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_large_stream_of_a_known_size_is_never_gathered(build):
    """A part is handed to the store while the source is still being read."""
    taken = []
    store = FaultyStore(MemoryStore())

    def source():
        for number in range(40):
            taken.append(len(store.calls))
            yield noise(65_536 + number)[number:]

    stack = build("chunk", store)
    stack.put_stream(ADDRESS, source(), 40 * 65_536)
    assert taken[0] == 1
    assert taken[-1] > 30
    assert len(_read(stack)) == 40 * 65_536


def test_memory_of_a_stream_is_bounded(tmp_path, keyring_file):
    script = """
import resource, sys
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella_layers.store.directory import DirectoryStore

layer = installed_registry().layer
layers = [layer("zstd")(), layer("padme")(), layer("cobblestone256")(), layer("chunk")(part_bytes=2**20)]
stack = Stack(layers, DirectoryStore(sys.argv[1], fsync="off"), Keyring.open(FileKeyProvider(sys.argv[2])))
address = Address(TaskScope("d", "r", "t"), "k")
block = bytes(range(256)) * 4096
stack.get_into(stack.put_stream(address, [block]), sys.argv[3])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ref = stack.put_stream(address, (block for _ in range(192)), 192 * len(block))
assert stack.get_into(ref, sys.argv[3]) == 192 * len(block)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "store"), str(keyring_file), str(tmp_path / "target")]
    grown_mib = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown_mib < 48
    assert (tmp_path / "target").stat().st_size == 192 * 2**20


class Slow(io.RawIOBase):
    """Takes ten bytes a call, as a raw pipe may."""

    def __init__(self):
        self.taken = bytearray()

    def writable(self):
        return True

    def write(self, segment):
        self.taken += bytes(segment[:10])
        return min(10, len(segment))


def test_target_that_takes_a_few_bytes_a_call_gets_them_all(build):
    stack = build(ORDERS[0])
    ref = stack.put_stream(ADDRESS, [noise(1000)])
    target = Slow()
    assert stack.get_into(ref, target) == 1000
    assert bytes(target.taken) == noise(1000)


def test_link_as_a_target_is_followed_and_stays(build, tmp_path):
    stack = build(ORDERS[0])
    ref = stack.put_stream(ADDRESS, [noise(1000)])
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for _ in range(2):
        assert stack.get_into(ref, tmp_path / "link") == 1000
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "file").read_bytes() == noise(1000)


def test_path_of_an_open_pipe_is_written_into(build):
    stack = build(ORDERS[0])
    ref = stack.put_stream(ADDRESS, [noise(1000)])
    reading, writing = os.pipe()
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        try:
            assert stack.get_into(ref, f"/dev/fd/{writing}") == 1000
        finally:
            os.close(writing)
        assert pipe.read() == noise(1000)


def test_path_may_be_bytes_or_what_names_one(build, tmp_path):
    class Named:
        def __fspath__(self):
            return bytes(tmp_path / "named")

    stack = build(ORDERS[0])
    ref = stack.put_stream(ADDRESS, [noise(1000)])
    for target, name in ((bytes(tmp_path) + b"/\xff", "\udcff"), (Named(), "named")):
        assert stack.get_into(ref, target) == 1000
        assert (tmp_path / name).read_bytes() == noise(1000)


class Nameless:
    def __fspath__(self):
        return 5


@pytest.mark.parametrize("target", [None, 1, ["a"], object(), Nameless(), "a\0b", "\ud800", io.StringIO()])
def test_target_that_is_neither_a_path_nor_a_file_is_refused(build, target):
    stack = build(ORDERS[0])
    ref = stack.put_stream(ADDRESS, [noise(1000)])
    with pytest.raises(InvalidValueError, match="a target is a path, or a file that is open for writing bytes"):
        stack.get_into(ref, target)


@pytest.mark.parametrize(
    "opened",
    [
        lambda path: path.open("w"),
        lambda path: tempfile.NamedTemporaryFile("w", dir=path.parent),  # noqa: SIM115 - the test closes it
        lambda _: codecs.getwriter("utf-8")(io.BytesIO()),
        lambda path: (path.touch(), path.open("rb"))[1],
        lambda path: _closed(path.open("wb")),
        lambda path: _closed(path.open("wb", buffering=0)),
        lambda _: _closed(io.BytesIO()),
    ],
    ids=["text", "temporary text", "codec", "reading", "closed", "closed raw", "closed memory"],
)
def test_file_that_takes_no_bytes_is_refused_before_anything_is_read(build, tmp_path, opened):
    store = FaultyStore(MemoryStore())
    stack = build(ORDERS[0], store)
    ref = stack.put_stream(ADDRESS, [noise(1000)])
    calls = len(store.calls)
    with closing(opened(tmp_path / "file")) as target, pytest.raises(InvalidValueError, match="open for writing bytes"):
        stack.get_into(ref, target)
    assert len(store.calls) == calls


def _closed(file):
    file.close()
    return file


def test_loop_of_links_as_a_target_stays_and_cannot_be_written(build, tmp_path):
    stack = build(ORDERS[0])
    ref = stack.put_stream(ADDRESS, [noise(1000)])
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        stack.get_into(ref, tmp_path / "loop")
    assert [each.is_symlink() for each in tmp_path.iterdir()] == [True]


@pytest.mark.parametrize("taken", [None, 0, -1])
def test_target_that_would_block_is_named(build, taken):
    class Full(io.BytesIO):
        def write(self, _segment):
            return taken

    stack = build(ORDERS[0], MemoryStore())
    ref = stack.put_stream(ADDRESS, [OLD])
    with pytest.raises(BlockingIOError, match="would block"):
        stack.get_into(ref, Full())
