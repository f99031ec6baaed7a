"""Two processes and one keyring, or two copies of it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from lamella.keys import edit
from lamella.keys.document import pack, unpack
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider

_READER = """
import sys
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider

path, key_id, wrapped_key = sys.argv[1:]
print(Keyring.open(FileKeyProvider(path)).unwrap(bytes.fromhex(key_id), bytes.fromhex(wrapped_key)).hex())
"""

_EDITOR = """
import sys
from lamella.errors import KeyringError
from lamella.keys import edit
from lamella.keys.providers import FileKeyProvider

saved = 0
print("ready", flush=True)
sys.stdin.readline()
for _ in range(25):
    try:
        edit.change_keyring(FileKeyProvider(sys.argv[1]), lambda old: edit.add(old, "data", created_at=1))
        saved += 1
    except KeyringError as refusal:
        assert "someone else changed it" in str(refusal), refusal
print(saved)
"""

_FORK_WHILE_READING = """
import os, sys, threading
from lamella.errors import KeyVersionNotFoundError
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider

class Slow(FileKeyProvider):
    def load(self):
        if threading.current_thread() is not threading.main_thread():
            reading.set()
            finish.wait()
        return super().load()

def miss():
    try:
        ring.unwrap(bytes(8), bytes(40))
    except KeyVersionNotFoundError:
        return 0

reading, finish = threading.Event(), threading.Event()
ring = Keyring.open(Slow(sys.argv[1]))
thread = threading.Thread(target=miss)
thread.start()
reading.wait()
child = os.fork()
if child == 0:
    os._exit(miss())
status = os.waitpid(child, 0)[1]
finish.set()
thread.join()
sys.exit(status)
"""


@pytest.fixture
def provider(tmp_path):
    place = FileKeyProvider(tmp_path / "writer.keyring")
    place.save(pack(edit.keygen("processes", created_at=1)), replace=False)
    return place


def _read_elsewhere(path, value):
    command = [sys.executable, "-c", _READER, str(path), value.key_id.hex(), value.wrapped_key.hex()]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _add_then_promote(provider, deploy):
    staged = edit.change_keyring(provider, lambda old: edit.add(old, "data", created_at=1))
    deploy()
    edit.change_keyring(provider, lambda old: edit.promote(old, staged.keys[-1].key_id))
    return Keyring.open(provider).new_value_key(b"")


def test_process_that_got_the_staged_key_reads_what_is_written_after_the_promotion(provider, tmp_path):
    copy = tmp_path / "reader.keyring"
    value = _add_then_promote(provider, lambda: shutil.copy(tmp_path / "writer.keyring", copy))
    assert _read_elsewhere(copy, value).stdout.strip() == value.key.hex()


def test_process_that_lacks_the_staged_key_says_which_key_it_lacks(provider, tmp_path):
    copy = shutil.copy(tmp_path / "writer.keyring", tmp_path / "reader.keyring")
    value = _add_then_promote(provider, lambda: None)
    run = _read_elsewhere(copy, value)
    assert run.returncode != 0
    assert f"KeyVersionNotFoundError: data key {value.key_id.hex()} is unknown" in run.stderr


def test_edits_of_two_processes_are_all_kept_or_refused(provider, tmp_path):
    command = [sys.executable, "-c", _EDITOR, str(tmp_path / "writer.keyring")]
    editors = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for editor in editors:
        assert editor.stdout.readline() == "ready\n"
    for editor in editors:
        editor.stdin.write("go\n")
        editor.stdin.flush()
    saved = sum(int(editor.communicate()[0]) for editor in editors)
    assert [editor.returncode for editor in editors] == [0, 0]
    record = unpack(provider.load())
    assert saved >= 25
    assert record.epoch == 1 + saved
    assert sum(key.role == "data" for key in record.keys) == 1 + saved


@pytest.mark.usefixtures("provider")
def test_fork_while_another_thread_reads_the_document_does_not_block_the_child(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", _FORK_WHILE_READING, str(tmp_path / "writer.keyring")]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
