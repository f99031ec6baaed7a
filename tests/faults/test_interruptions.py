"""Time-outs of a host: what a signal's handler raises may fall anywhere, and is nobody's damage."""

from __future__ import annotations

import fcntl
import io
import os
import signal
from dataclasses import dataclass
from typing import ClassVar

import pytest

from lamella.errors import ForkedProcessError, IntegrityError, InvalidValueError, StoreConflictError, StoreError
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.policy import Policy
from lamella.protocols.layer import BytesLayer
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.memory import MemoryStore
from lamella_layers.store.sqlite import SqliteStore

ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
LOCATOR = "o1/scope/-1/key"


class TimeIsUpError(Exception):
    """What a host's handler raises."""


class TooSlowError(TimeoutError):
    """What another host's handler raises: an OSError, as stores catch them."""


def _raise_when(signal_number, error):
    def handler(*_):
        raise error

    signal.signal(signal_number, handler)


def _interrupt_often(call, times):
    """Let a timer break `call` off, a little later each time."""
    _raise_when(signal.SIGALRM, TimeIsUpError)
    done = broken_off = 0
    while broken_off < times:
        try:
            signal.setitimer(signal.ITIMER_REAL, 2e-6 + 1e-7 * (done % 2_000))
            call()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except TimeIsUpError:
            broken_off += 1
        done += 1
    signal.setitimer(signal.ITIMER_REAL, 0)


def _write_directory(root):
    store = DirectoryStore(root, fsync="off")
    _interrupt_often(lambda: store.put(LOCATOR, (b"value",)), 4_000)
    _interrupt_often(lambda: store.delete(LOCATOR), 1_000)
    for name in os.listdir(f"{root}/.locks"):  # noqa: PTH208 - names are enough
        with open(f"{root}/.locks/{name}", "r+b") as lock:  # noqa: PTH123 - as short as it gets
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    store.put(LOCATOR, (b"after",))


def _write_sqlite(path):
    store = SqliteStore(path, synchronous="off")
    store.put(LOCATOR, (b"first",))
    _interrupt_often(lambda: store.put(LOCATOR, (b"value",)), 1_000)
    _interrupt_often(lambda: store.get(LOCATOR), 1_000)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    store.put(LOCATOR, (b"after",))


@pytest.mark.parametrize("write", [_write_directory, _write_sqlite])
def test_call_that_is_broken_off_anywhere_holds_up_no_later_one(tmp_path, forked, write):
    path = tmp_path / "store"
    with forked(write, path) as child:
        child.join(60)
        assert child.exitcode == 0
    store = DirectoryStore(path) if write is _write_directory else SqliteStore(path)
    assert b"".join(store.get(LOCATOR)[1]) == b"after"
    store.close()


def _fork_inside(path, call):
    """Let a signal's handler fork inside a call of the store; return how the children and the rows ended."""
    store = SqliteStore(path, synchronous="off")
    store.put(LOCATOR, (b"before",))
    endings = []
    real = store._pool._connect

    def fork(*_):
        child = os.fork()
        if not child:
            refused = 0
            for other in (store, SqliteStore(path)):
                try:
                    other.get(LOCATOR)
                except ForkedProcessError as error:
                    refused += "spawned" in str(error)
            endings.append(refused)
            return
        endings.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    def connect():
        connection = real()
        signal.raise_signal(signal.SIGUSR1)
        return connection

    store.close()
    store._pool._connect = connect
    signal.signal(signal.SIGUSR1, fork)
    parent = os.getpid()
    try:
        call(store)
    except ForkedProcessError:
        os._exit(0 if endings == [2] and os.getpid() != parent else 1)
    assert os.getpid() == parent
    assert endings == [0]
    store.put(LOCATOR, (b"after",))
    assert os.waitstatus_to_exitcode(os.waitpid(os.fork() or os._exit(0), 0)[1]) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.get(LOCATOR),
        lambda store: store.put(LOCATOR, (b"inside",)),
        lambda store: store.delete(LOCATOR),
    ],
)
def test_fork_inside_a_call_ends_and_its_child_is_refused(tmp_path, forked, call):
    path = tmp_path / "store"
    with forked(_fork_inside, path, call) as child:
        child.join(60)
        assert child.exitcode == 0
    assert b"".join(SqliteStore(path).get(LOCATOR)[1]) == b"after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted(BytesLayer):
    """Works until a signal comes in its midst."""

    name: ClassVar[str] = "interrupted"

    def encode(self, source, context):
        del context
        for segment in source:
            if b"slow to write" in bytes(segment):
                signal.raise_signal(signal.SIGUSR1)
            yield segment

    def decode(self, source, context):
        del context
        for segment in source:
            signal.raise_signal(signal.SIGUSR1)
            yield segment


class CatchingStore(MemoryStore):
    """Names whatever the operating system says, and says no more."""

    def put(self, locator, source, *, if_version=None):
        try:
            signal.raise_signal(signal.SIGUSR1)
        except OSError:
            raise StoreError("the store failed") from None
        return super().put(locator, source, if_version=if_version)


class Handler:
    """A handler that is an object, as some hosts have it."""

    def __init__(self, error):
        self._error = error

    def __call__(self, *_):
        raise self._error


@pytest.fixture(params=[TimeIsUpError, TooSlowError])
def raised(request):
    """Say what the handler of SIGUSR1 raises."""
    before = signal.signal(signal.SIGUSR1, Handler(request.param))
    yield request.param
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def stack(keyring):
    registry = installed_registry().with_layers(Interrupted)
    return Stack([Interrupted()], MemoryStore(), keyring, policy=Policy(allow_plaintext=True), registry=registry)


def test_time_out_inside_a_layer_is_the_host_s_own_error_and_no_damage(stack, raised):
    ref = stack.put(ADDRESS, "value")
    for call in (
        lambda: stack.put(ADDRESS, "slow to write"),
        lambda: stack.put_stream(ADDRESS, [b"slow to write"]),
        lambda: stack.get(ref),
        lambda: stack.get_at(ADDRESS),
        lambda: stack.get_into(ref, io.BytesIO()),
    ):
        with pytest.raises(raised):
            call()


def test_time_out_that_a_store_took_for_its_own_failure_comes_out(keyring):
    before = signal.signal(signal.SIGUSR1, Handler(TooSlowError))
    try:
        with pytest.raises(TooSlowError):
            Stack([], CatchingStore(), keyring, policy=Policy(allow_plaintext=True)).put(ADDRESS, 1)
    finally:
        signal.signal(signal.SIGUSR1, before)


class ConflictingStore(MemoryStore):
    """Is at another version whenever a condition is given for the first time."""

    conflicts = 1

    def put(self, locator, source, *, if_version=None):
        if if_version is not None and self.conflicts:
            self.conflicts -= 1
            raise StoreConflictError("somebody wrote first")
        return super().put(locator, source, if_version=if_version)


def test_time_out_that_the_host_handles_while_it_calls_is_not_raised_again(build, raised):
    stack = build("cobblestone256 | chunk", ConflictingStore())
    ref = stack.put(ADDRESS, 1)
    try:
        signal.raise_signal(signal.SIGUSR1)
    except raised:
        with pytest.raises(InvalidValueError, match="size_bytes said 2"):
            stack.put_stream(ADDRESS, b"value", 2)
        large = "value" * 2_000_000
        stack.put(ADDRESS, large)
        assert stack.get(ref) == large
        assert not stack.engine.store.conflicts
        stack.engine.store.put(stack.engine.place(ADDRESS).head, (b"planted",))
        with pytest.raises(IntegrityError):
            stack.get(ref)


def test_time_out_inside_the_read_of_a_keyring_is_the_host_s_own_error(keyring_file, monkeypatch, raised):
    provider = FileKeyProvider(keyring_file)
    monkeypatch.setattr(provider, "_check", lambda _: signal.raise_signal(signal.SIGUSR1))
    with pytest.raises(raised):
        Keyring.open(provider)
