"""The process is killed at every step of the store: a new process finds the old value or the new one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CHANGES = ["new small", "new split", "small small", "small split", "split small", "split split"]
ERASURES = ["small delete", "split delete", "small clear", "split clear"]

# One process forks a child for each step and side of it, which kills itself there, and then another one that looks.
SCRIPT = """
import io, json, os, shutil, signal, sys, warnings
from lamella.errors import ObjectNotFoundError
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella.testing import FaultyStore
from lamella.testing.payloads import noise
from lamella.testing.store_objects import locators

kind, scenario, folder, keyring_file = sys.argv[1:]
before_name, act_name = scenario.split()
keyring = Keyring.open(FileKeyProvider(keyring_file))
address = Address(TaskScope("dag", "run", "task"), "key")
values = {"small": noise(100), "split": noise(150_000)}
before = values.get(before_name)
after = values[act_name][1:] if act_name in values else None
names = ("zstd", "padme", "cobblestone256", "chunk")


def store_of(place):
    if kind == "directory":
        return installed_registry().store(kind)(place, fsync="off")
    os.makedirs(place, exist_ok=True)
    return installed_registry().store(kind)(place + "/state.db", synchronous="off")


def stack_of(store):
    layers = [installed_registry().layer(name)(**({"part_bytes": 2**16} if name == "chunk" else {})) for name in names]
    return Stack(layers, store, keyring)


def act(stack):
    if act_name == "delete":
        stack.delete(address)
    elif act_name == "clear":
        stack.clear(address.scope)
    else:
        stack.put_stream(address, [after])


def read(stack):
    target = io.BytesIO()
    try:
        stack.get_into(stack.engine.ref(stack.engine.place(address), None), target)
    except ObjectNotFoundError:
        return None
    return target.getvalue()


def look(store):
    stack = stack_of(store)
    now = read(stack)
    assert now in (before, after), "torn"
    stack.put(address, {"next": 1})
    assert stack.get_at(address) == {"next": 1}, "not overwritten"
    stack.delete(address)
    assert locators(store) == [], locators(store)
    return "new" if now == after else "old"


def in_child(call):
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write_end, json.dumps(call()).encode())
        except BaseException as error:
            os.write(write_end, json.dumps(repr(error)).encode())
        os._exit(0)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        said = pipe.read()
    return os.waitpid(child, 0)[1], json.loads(said) if said else None


def prepared(place):
    store = store_of(place)
    if before is not None:
        stack_of(store).put_stream(address, [before])
    store.close()


def count(place):
    store = FaultyStore(store_of(place))
    act(stack_of(store))
    return store.steps


def die(place, step, side):
    kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
    act(stack_of(FaultyStore(store_of(place), fail_at=step, fault=kill, after=side)))


in_child(lambda: prepared(folder + "/before"))
os.makedirs(folder + "/before", exist_ok=True)
shutil.copytree(folder + "/before", folder + "/count")
_, steps = in_child(lambda: count(folder + "/count"))
assert type(steps) is int, steps
found = []
for side in (False, True):
    for step in range(1, steps + 1):
        place = f"{folder}/{step}-{side}"
        shutil.copytree(folder + "/before", place)
        status, said = in_child(lambda: die(place, step, side))
        # A step that raises anyway, since nothing is stored there, has no moment after it.
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed or (side and said is None), said
        found.append((killed, in_child(lambda: look(store_of(place)))[1]))
        shutil.rmtree(place)
print(json.dumps([steps, found]))
"""


def _kill_at_every_step(kind, scenario, tmp_path, keyring_file):
    arguments = [kind, scenario, str(tmp_path), str(keyring_file)]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    steps, found = json.loads(run.stdout)
    assert {now for _, now in found} <= {"old", "new"}
    assert sum(killed for killed, _ in found) >= 2 * steps - 2
    return [now for _, now in found]


@pytest.mark.parametrize("kind", ["directory", "sqlite"])
@pytest.mark.parametrize("scenario", CHANGES)
def test_killed_put_leaves_the_old_value_or_the_new_one(kind, scenario, tmp_path, keyring_file):
    assert set(_kill_at_every_step(kind, scenario, tmp_path, keyring_file)) == {"old", "new"}


@pytest.mark.parametrize("kind", ["directory", "sqlite"])
@pytest.mark.parametrize("scenario", ERASURES)
def test_killed_erasure_leaves_the_whole_value_or_none(kind, scenario, tmp_path, keyring_file):
    assert set(_kill_at_every_step(kind, scenario, tmp_path, keyring_file)) == {"old", "new"}
