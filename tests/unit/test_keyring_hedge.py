from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time

import pytest

from lamella.keys import keyring
from lamella.keys.edit import add, keygen, promote
from lamella.keys.keyring import Keyring

_RECORD = keygen("hedges", created_at=1)

_FORKS = """
import os
from lamella.keys.keyring import Keyring

ring = Keyring.ephemeral()
os.urandom = lambda size: b"\\x07" * size
reader, writer = os.pipe()
for _ in range(200):
    child = os.fork()
    if child == 0:
        os.write(writer, ring.hedge(b"same"))
        os._exit(0)
    os.waitpid(child, 0)
os.close(writer)
with open(reader, "rb") as hedges:
    print(hedges.read().hex())
"""


@pytest.fixture
def stuck(monkeypatch):
    """Freeze everything that a hedge depends on, but for the segment."""
    monkeypatch.setattr(os, "urandom", bytes)
    monkeypatch.setattr(os, "getpid", lambda: 7)
    monkeypatch.setattr(time, "time_ns", lambda: 7)
    monkeypatch.setattr(keyring, "_hedge_counter", itertools.repeat(7))
    return monkeypatch


def _hedges_after(change):
    ring = Keyring(_RECORD)
    first = ring.hedge(b"segment")
    change()
    return first, ring.hedge(b"segment")


def test_hedge_is_16_bytes():
    assert len(Keyring(_RECORD).hedge(b"")) == 16


@pytest.mark.usefixtures("stuck")
def test_hedge_repeats_only_when_everything_repeats():
    first, second = _hedges_after(lambda: None)
    assert first == second


@pytest.mark.parametrize(
    ("owner", "name", "moved"),
    [
        (os, "urandom", lambda size: b"\x01" * size),
        (os, "getpid", lambda: 8),
        (time, "time_ns", lambda: 8),
        (keyring, "_hedge_counter", itertools.repeat(8)),
    ],
    ids=["rng", "pid", "clock", "counter"],
)
def test_hedge_differs_while_one_of_its_inputs_differs(stuck, owner, name, moved):
    first, second = _hedges_after(lambda: stuck.setattr(owner, name, moved))
    assert first != second


@pytest.mark.usefixtures("stuck")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"", b"\x00"),
        (b"a", b"b"),
        (b"a" * 65536, b"a" * 65535 + b"b"),
        (b"a" * 65536, b"a" * 65537),
    ],
    ids=["empty", "content", "end-of-64-KiB", "length"],
)
def test_hedge_differs_while_the_first_segment_differs(one, other):
    ring = Keyring(_RECORD)
    assert ring.hedge(one) != ring.hedge(other)
    assert ring.hedge(memoryview(one)) == ring.hedge(one)


@pytest.mark.usefixtures("stuck")
def test_hedge_differs_between_primary_keys():
    staged = add(_RECORD, "data", created_at=1)
    promoted = promote(staged, staged.keys[-1].key_id)
    assert Keyring(promoted).hedge(b"") != Keyring(_RECORD).hedge(b"")


def test_hedges_of_200_forks_differ_even_when_the_rng_is_stuck():
    run = subprocess.run([sys.executable, "-c", _FORKS], capture_output=True, text=True, check=True)
    hedges = bytes.fromhex(run.stdout.strip())
    assert len({hedges[at : at + 16] for at in range(0, len(hedges), 16)}) == 200
