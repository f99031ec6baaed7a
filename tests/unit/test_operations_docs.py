"""What docs/operations.md says of the calls that a store gets."""

from __future__ import annotations

import io
import os
from collections import Counter
from pathlib import Path

import pytest

from lamella import Address, Keyring, Stack, TaskScope
from lamella.registry import installed_registry
from lamella.testing import FaultyStore
from lamella_layers.store.memory import MemoryStore

_PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
_ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
_N = 4


class _Counted:
    """A stack that keeps values in one object or in N parts, and counts what a call asks of the store."""

    def __init__(self):
        self.store = FaultyStore(MemoryStore())
        registry = installed_registry()
        layers = [registry.layer("cobblestone256")(), registry.layer("chunk")(part_bytes=65_536)]
        self.stack = Stack(layers, self.store, Keyring.ephemeral())

    def put(self, parts):
        if parts:
            return self.stack.put_stream(_ADDRESS, io.BytesIO(os.urandom((parts - 1) * 65_536 + 5)))
        return self.stack.put(_ADDRESS, {"page": 7})

    def get(self, parts):
        ref = self.put(parts)
        self.store.calls.clear()
        return self.stack.get_into(ref, io.BytesIO()) if parts else self.stack.get(ref)

    def delete(self, parts):
        self.put(parts)
        self.store.calls.clear()
        self.stack.delete(_ADDRESS)

    def clear(self, parts):
        self.put(parts)
        self.store.calls.clear()
        self.stack.clear(_ADDRESS.scope)

    def counts(self):
        return Counter(method for method, _ in self.store.calls)


@pytest.mark.parametrize(
    ("row", "whole", "split"),
    [
        (
            "| `put` | 1 put | N + 1 puts, 1 get, 2 listings;",
            {"put": 1},
            {"put": _N + 1, "get": 1, "list": 2},
        ),
        ("| `get` | 1 get | N + 1 gets |", {"get": 1}, {"get": _N + 1}),
        (
            "| `delete` | 1 delete, 1 listing | N + 1 deletes, 2 gets, 1 listing |",
            {"delete": 1, "list": 1},
            {"delete": _N + 1, "get": 2, "list": 1},
        ),
        ("`clear` lists its scope twice", {"delete": 1, "list": 2}, {"delete": _N + 1, "get": 2, "list": 2}),
    ],
    ids=["put", "get", "delete", "clear"],
)
def test_call_asks_of_a_store_what_the_page_says(request, row, whole, split):
    assert row in _PAGE
    for parts, expected in ((0, whole), (_N, split)):
        counted = _Counted()
        getattr(counted, request.node.callspec.id)(parts)
        assert counted.counts() == expected


def test_replacing_a_split_value_asks_of_a_store_what_the_page_says():
    assert "replacing one of M parts, 1 listing and M deletes more" in _PAGE
    counted = _Counted()
    counted.put(3)
    counted.store.calls.clear()
    counted.put(_N)
    assert counted.counts() == {"put": _N + 1, "get": 1, "list": 3, "delete": 3}
