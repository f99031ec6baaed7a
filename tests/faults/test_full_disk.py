"""The disk fills up for real: the old value or the new one, a named error, no leftovers, and all is well with space."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# In a mount namespace of its own: nobody else sees the small file system, and it goes away with the process.
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
MOUNT = 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"'

# How much is left is tried in steps of a page, so that each step of a write meets the end of the disk.
SCRIPT = """
import json, os, shutil, sys
from lamella.errors import LamellaError, ObjectNotFoundError, StoreError
from lamella.keys.keyring import Keyring
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella.testing.payloads import noise

kind, disk = sys.argv[1:]
names = ("zstd", "padme", "cobblestone256", "chunk")
layers = [installed_registry().layer(name)(**({"part_bytes": 2**16} if name == "chunk" else {})) for name in names]
keyring = Keyring.ephemeral()
keys = ("small", "split", "fresh", "deleted")
place = {key: Address(TaskScope("dag", "run", "task"), key) for key in keys}
old, small, split = "old" * 100, "new" * 2000, noise(150_000).hex()
calls = [
    ("small", small, lambda stack: stack.put(place["small"], small)),
    ("split", split, lambda stack: stack.put(place["split"], split)),
    ("fresh", split, lambda stack: stack.put(place["fresh"], split)),
    ("deleted", None, lambda stack: stack.delete(place["deleted"])),
]


def store_of():
    options = {"synchronous": "off"} if kind == "sqlite" else {"fsync": "off"}
    return installed_registry().store(kind)(f"{disk}/store", **options)


def read(stack, key):
    try:
        return stack.get_at(place[key])
    except ObjectNotFoundError:
        return None


def fill(leave_bytes):
    with open(f"{disk}/ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            ballast.truncate(max(0, ballast.tell() - leave_bytes))


def temporary():
    return [each for folder in (disk, f"{disk}/store/.tmp") if os.path.isdir(folder)
            for each in os.listdir(folder) if folder.endswith(".tmp") or each.startswith(".lamella-")]


def one(leave_bytes, there):
    store = store_of()
    stack = Stack(layers, store, keyring)
    before = dict.fromkeys(keys)
    if there:
        before |= dict.fromkeys(("small", "split", "deleted"), old)
        for key in ("small", "split", "deleted"):
            stack.put(place[key], old)
    fill(leave_bytes)
    messages = set()
    for key, after, call in calls:
        try:
            call(stack)
        except StoreError as error:
            assert not error.transient
            messages.add(str(error))
        try:
            assert read(stack, key) in (before[key], after), (key, leave_bytes)
        except StoreError as error:
            messages.add(str(error))
    assert temporary() == []
    os.unlink(f"{disk}/ballast")
    for key, after, call in calls:
        assert read(stack, key) in (before[key], after), (key, leave_bytes)
        call(stack)
        assert read(stack, key) == after
    if kind == "sqlite":
        store.close()
    return messages


messages = set()
for there in (False, True):
    for leave_bytes in range(0, 120_000, 4096):
        messages |= one(leave_bytes, there)
        for name in os.listdir(disk):
            path = f"{disk}/{name}"
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
print(json.dumps(sorted(messages)))
"""


@pytest.mark.parametrize("kind", ["directory", "sqlite"])
def test_full_disk_leaves_the_old_value_or_the_new_one_and_says_that_it_is_full(kind, tmp_path):
    command = [*NAMESPACE, "sh", "-c", MOUNT, str(tmp_path)]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs namespaces of users and mounts")
    command += [sys.executable, "-c", SCRIPT, kind, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    messages = json.loads(run.stdout)
    assert messages
    assert all("space" in each for each in messages), messages
