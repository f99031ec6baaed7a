"""Forked and spawned processes that share a stack never repeat a salt, a hedge, a key or a generation."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Each child writes one split value into its copy of a store in memory, and says what must be unique.
SCRIPT = r"""
import json, os, sys
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella.testing.payloads import noise
from lamella.wire.envelope import unpack_header
from lamella_layers.store.memory import MemoryStore

keyring_file, children, stuck = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "stuck"
layer = installed_registry().layer
SALT_BYTES = 24
value = noise(100_000)
address = Address(TaskScope("dag", "run", "task"), "key")
store = MemoryStore()
layers = [layer("chunk")(part_bytes=2**16), layer("cobblestone256")()]
stack = Stack(layers, store, Keyring.open(FileKeyProvider(keyring_file)))
if stuck:
    os.urandom = lambda size: b"\0" * size


def write():
    stack.put_stream(address, [value])
    place = stack.engine.place(address)
    head = b"".join(store.get(place.head)[1])
    header, end = unpack_header(head)
    parts = sorted(each.locator for each in store.list(place.parts))
    payloads = [head[end:], *(b"".join(store.get(each)[1]) for each in parts)]
    (facts,) = header.facts
    return {
        "salts": [each[:SALT_BYTES].hex() for each in payloads],
        "hedges": [facts.hedge.hex()],
        "wrapped keys": [facts.wrapped_key.hex()],
        "generations": [parts[0].split("/")[-2]],
    }


write()
print(json.dumps(write()), flush=True)
for _ in range(children):
    child = os.fork()
    if child == 0:
        os.write(1, (json.dumps(write()) + "\n").encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def _gather(runs):
    rows = []
    for run in runs:
        output, _ = run.communicate()
        assert run.returncode == 0
        rows += map(json.loads, output.splitlines())
    return {name: [each for row in rows for each in row[name]] for name in rows[0]}, len(rows)


def _start(*arguments):
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _repeated(found):
    return {name for name, each in found.items() if len(set(each)) != len(each)}


def test_forked_children_never_repeat_anything(keyring_file):
    found, count = _gather([_start(str(keyring_file), "200", "random")])
    assert count == 201
    assert _repeated(found) == set()


def test_spawned_processes_never_repeat_anything(keyring_file):
    found, count = _gather([_start(str(keyring_file), "1", "random") for _ in range(20)])
    assert count == 40
    assert _repeated(found) == set()


@pytest.mark.parametrize(("processes", "children"), [(1, 200), (10, 1)])
def test_stuck_source_of_randomness_repeats_neither_hedge_nor_generation(keyring_file, processes, children):
    found, count = _gather([_start(str(keyring_file), str(children), "stuck") for _ in range(processes)])
    assert count == processes * (children + 1)
    assert len(set(found["wrapped keys"])) == 1
    # The installed AEAD may take its salts from elsewhere; with the hedge beside them they need not be unique.
    assert _repeated(found) - {"salts"} == {"wrapped keys"}
