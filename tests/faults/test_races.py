"""Readers, writers and erasures on one key at once: each read is one whole value or a named transient error."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from lamella.errors import IntegrityError, LamellaError, ObjectNotFoundError, StoreConflictError
from lamella.scope import Address, TaskScope
from lamella.testing.payloads import noise
from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.memory import MemoryStore
from lamella_layers.store.sqlite import SqliteStore

ORDER = "cobblestone256 | chunk"
ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
SECONDS = 1.5

SCRIPT = """
import io, json, os, sys, time
from lamella.errors import LamellaError, StoreConflictError
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella.testing.payloads import noise

role, scheme, place, keyring_file, seconds = sys.argv[1:]
layer = installed_registry().layer
layers = [layer("cobblestone256")(), layer("chunk")(part_bytes=2**16)]
store = installed_registry().store(scheme).from_url(f"{scheme}:///{place}", {})
stack = Stack(layers, store, Keyring.open(FileKeyProvider(keyring_file)))
address = Address(TaskScope("dag", "run", "task"), "key")
ref = stack.engine.ref(stack.engine.place(address), None)
values = [noise(size) for size in (100, 70_000, 150_000, 210_000)]
done, errors = 0, []
end = time.monotonic() + float(seconds)
while time.monotonic() < end:
    try:
        if role == "write":
            stack.put_stream(address, [values[done % 4]])
        else:
            target = io.BytesIO()
            stack.get_into(ref, target)
            assert target.getvalue() in values, "torn"
        done += 1
    except LamellaError as error:
        errors.append([type(error).__name__, error.transient])
print(json.dumps([done, errors]))
"""


@pytest.fixture(params=["memory", "directory", "sqlite"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStore()
        return
    kind = DirectoryStore if request.param == "directory" else SqliteStore
    store = kind(tmp_path / "store")
    yield store
    store.close()


def _read(stack):
    target = io.BytesIO()
    stack.get_into(stack.engine.ref(stack.engine.place(ADDRESS), None), target)
    return target.getvalue()


def _until_the_end(call):
    end = time.monotonic() + SECONDS
    done, errors = 0, []
    while time.monotonic() < end:
        try:
            call(done)
            done += 1
        except LamellaError as error:
            errors.append(error)
    return done, errors


def _at_once(*calls):
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(_until_the_end, calls))


def test_threads_read_whole_values_while_others_write(build, store):
    stack = build(ORDER, store)
    values = [noise(size) for size in (100, 70_000, 150_000, 210_000)]
    stack.put_stream(ADDRESS, [values[0]])
    found = set()
    results = _at_once(
        *[lambda number: stack.put_stream(ADDRESS, [values[number % 4]])] * 2,
        *[lambda _: found.add(_read(stack))] * 2,
    )
    assert found <= set(values)
    assert min(done for done, _ in results) > 0
    assert {type(error) for _, errors in results for error in errors} <= {StoreConflictError}
    assert _read(stack) in values
    stack.delete(ADDRESS)
    assert not list(store.list("o1/")) + list(store.list("p1/"))


@pytest.mark.parametrize("erase", ["delete", "clear"])
def test_erasures_racing_writes_leave_a_whole_value_or_nothing(build, store, erase):
    stack = build(ORDER, store)
    values = [noise(size) for size in (100, 150_000)]
    results = _at_once(
        lambda number: stack.put_stream(ADDRESS, [values[number % 2]]),
        lambda number: stack.put_stream(ADDRESS, [values[number % 2]]),
        lambda _: getattr(stack, erase)(ADDRESS if erase == "delete" else ADDRESS.scope),
    )
    assert {type(error) for _, errors in results for error in errors} <= {StoreConflictError}
    with suppress(ObjectNotFoundError):
        assert _read(stack) in values
    stack.delete(ADDRESS)
    assert not list(store.list("o1/")) + list(store.list("p1/"))


def test_reader_beside_erasures_and_writes_sees_whole_values_or_passing_errors(build, store):
    stack = build(ORDER, store)
    values = [noise(size) for size in (100, 150_000)]
    found = set()
    results = _at_once(
        lambda number: stack.put_stream(ADDRESS, [values[number % 2]]),
        lambda _: stack.clear(ADDRESS.scope),
        lambda _: found.add(_read(stack)),
    )
    assert found <= set(values)
    errors = {type(error) for _, errors in results for error in errors}
    # Between the parts and the head that an erasure takes lies a moment in which the parts are gone.
    assert errors <= {StoreConflictError, ObjectNotFoundError, IntegrityError}
    with suppress(ObjectNotFoundError):
        assert _read(stack) in values


@pytest.mark.parametrize("scheme", ["directory", "sqlite"])
def test_processes_read_whole_values_while_others_write(scheme, tmp_path, keyring_file):
    arguments = [scheme, f"{tmp_path}/store", str(keyring_file), str(2 * SECONDS)]
    writers = [_start("write", *arguments) for _ in range(2)]
    deadline = time.monotonic() + 60
    while not (tmp_path / "store").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    readers = [_start("read", *arguments) for _ in range(2)]
    results = [json.loads(each.communicate()[0]) for each in (*writers, *readers)]
    assert [each.returncode for each in (*writers, *readers)] == [0] * 4
    assert min(done for done, _ in results) > 0
    found = {tuple(error) for _, errors in results for error in errors}
    assert found <= {("StoreConflictError", True), ("ObjectNotFoundError", False)}


def _start(role, *arguments):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, role, *arguments], stdout=subprocess.PIPE, text=True)
