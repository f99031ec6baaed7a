"""The store that fails where it is told to."""

from __future__ import annotations

import pytest

from lamella.errors import ObjectNotFoundError, StoreUnavailableError
from lamella.testing import FaultyStore
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore


def run(store):
    store.put("o1/a", (b"one", b"two"))
    body = b"".join(store.get("o1/a")[1])
    listed = [each.locator for each in store.list("o1/")]
    store.delete("o1/a")
    return body, listed


def test_store_without_a_fault_is_the_inner_store():
    store = FaultyStore(MemoryStore())
    assert run(store) == (b"onetwo", ["o1/a"])
    assert store.calls == [("put", "o1/a"), ("get", "o1/a"), ("list", "o1/"), ("delete", "o1/a")]


def test_every_call_and_every_pulled_segment_is_a_step():
    store = FaultyStore(MemoryStore())
    run(store)
    pulls_of_put = pulls_of_get = 3
    assert store.steps == 4 + pulls_of_put + pulls_of_get


def test_each_step_can_fail():
    steps = FaultyStore(MemoryStore())
    run(steps)
    for fail_at in range(1, steps.steps + 1):
        store = FaultyStore(MemoryStore(), fail_at=fail_at)
        with pytest.raises(StoreUnavailableError):
            run(store)
        assert store.steps == fail_at


def test_fault_before_a_put_leaves_nothing():
    inner = MemoryStore()
    with pytest.raises(StoreUnavailableError):
        FaultyStore(inner, fail_at=1).put("o1/a", (b"one",))
    with pytest.raises(ObjectNotFoundError):
        inner.get("o1/a")


def test_fault_after_a_put_leaves_the_object():
    inner = MemoryStore()
    with pytest.raises(StoreUnavailableError):
        FaultyStore(inner, fail_at=1, after=True).put("o1/a", (b"one",))
    assert b"".join(inner.get("o1/a")[1]) == b"one"


def test_chosen_error_is_raised_as_it_is():
    error = KeyError("chosen")
    with pytest.raises(KeyError) as caught:
        FaultyStore(MemoryStore(), fail_at=1, fault=error).delete("o1/a")
    assert caught.value is error


def test_callback_that_returns_lets_the_step_go_on():
    called = []
    store = FaultyStore(MemoryStore(), fail_at=2, fault=lambda: called.append(store.steps))
    assert run(store) == (b"onetwo", ["o1/a"])
    assert called == [2]


def test_reader_gets_what_the_mutation_makes_of_an_object():
    store = FaultyStore(MemoryStore(), mutate=lambda locator, body: locator.encode() + body[::-1])
    assert run(store)[0] == b"o1/aowteno"


def test_abilities_are_those_of_the_inner_store():
    store = FaultyStore(InlineStore())
    assert (store.scheme, store.in_ref, store.lists, store.conditional_put) == ("inline", True, False, False)


def test_closing_closes_the_inner_store(monkeypatch):
    inner = MemoryStore()
    closed = []
    monkeypatch.setattr(inner, "close", lambda: closed.append(True), raising=False)
    FaultyStore(inner).close()
    assert closed == [True]
