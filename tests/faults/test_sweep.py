"""Parts that no value names are swept; those of a value, of a young write and of an unreadable head are not."""

from __future__ import annotations

import pytest

from lamella.errors import InvalidValueError, StoreError
from lamella.keys.keyring import Keyring
from lamella.scope import Address, AssetScope, TaskScope
from lamella.testing import FaultyStore
from lamella.testing.payloads import noise
from lamella.testing.store_objects import locators
from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore

ORDERS = ("zstd | padme | cobblestone256 | chunk", "chunk | cobblestone256")
ADDRESSES = (Address(TaskScope("dag", "run", "task"), "key"), Address(AssetScope(name="asset"), "key"))
SPLIT = noise(9 * 1024 * 1024)


def _orphan(stack, store, address):
    """Leave what a writer leaves that dies before its commit: parts without a head."""
    before = {found.locator: b"".join(store.get(found.locator)[1]) for found in store.list("o1/")}
    stack.put_stream(address, [SPLIT])
    for found in list(store.list("o1/")):
        store.delete(found.locator)
    for locator, body in before.items():
        store.put(locator, (body,))


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", [lambda _: MemoryStore(), DirectoryStore])
def test_parts_without_a_value_are_swept_and_those_of_a_value_stay(build, tmp_path, kind, order, address):
    store = kind(tmp_path)
    stack = build(order, store)
    _orphan(stack, store, address)
    stack.put_stream(address, [SPLIT])
    kept = [locator for locator in locators(store) if locator in _named(stack, store, address)]
    assert stack.gc(older_than_seconds=0, dry_run=True) == 1
    assert len(locators(store)) > len(kept)
    assert stack.gc(older_than_seconds=0) == 1
    assert locators(store) == kept
    assert stack.gc(older_than_seconds=0) == 0


def _named(stack, store, address):
    """Give the locators that a read of the value asks for."""
    asked = []
    get = store.get
    store.get = lambda locator: asked.append(locator) or get(locator)
    try:
        stack.get_into(stack.engine.ref(stack.engine.place(address), None), _Nowhere())
    finally:
        del store.get
    return asked


class _Nowhere:
    def write(self, segment):
        return len(segment)


def test_parts_of_a_large_value_that_a_small_one_replaced_are_swept(build):
    store = MemoryStore()
    stack = build(ORDERS[0], store)
    stack.put_stream(ADDRESSES[0], [SPLIT])
    ref = stack.put(ADDRESSES[0], "small")
    assert stack.gc(older_than_seconds=0) == 1
    assert stack.get(ref) == "small"
    assert [locator[:3] for locator in locators(store)] == ["o1/"]


def test_young_parts_may_be_those_of_a_write_in_progress(build):
    store = MemoryStore()
    stack = build(ORDERS[0], store)
    _orphan(stack, store, ADDRESSES[0])
    before = locators(store)
    assert stack.gc(older_than_seconds=3600) == 0
    assert locators(store) == before


def test_parts_behind_a_head_that_cannot_be_opened_stay(build):
    store = MemoryStore()
    build(ORDERS[1], store, keyring=Keyring.ephemeral()).put_stream(ADDRESSES[0], [SPLIT])
    before = locators(store)
    assert build(ORDERS[1], store).gc(older_than_seconds=0) == 0
    assert locators(store) == before


@pytest.mark.parametrize("locator", ["p1/a-stray/object", f"p1/{'0' * 32}/007/{'0' * 32}/{'0' * 32}/00000000"])
def test_what_is_no_part_of_ours_stays(build, locator):
    store = MemoryStore()
    stack = build(ORDERS[0], store)
    store.put(locator, (b"x",))
    assert stack.gc(older_than_seconds=0) == 0
    assert locators(store) == [locator]


@pytest.mark.parametrize("age", [float("nan"), float("inf"), -1, -0.001, "5", None])
def test_age_that_is_no_finite_number_from_zero_on_sweeps_nothing(build, age):
    store = MemoryStore()
    stack = build(ORDERS[0], store)
    _orphan(stack, store, ADDRESSES[0])
    before = locators(store)
    with pytest.raises(InvalidValueError, match="finite number from 0 on"):
        stack.gc(older_than_seconds=age)
    assert locators(store) == before


@pytest.mark.parametrize("fault", [PermissionError("canary"), TypeError("canary")])
def test_exception_of_a_store_is_named_wherever_a_sweep_meets_it(build, fault):
    inner = MemoryStore()
    _orphan(build(ORDERS[1], inner), inner, ADDRESSES[0])
    build(ORDERS[1], inner).put_stream(ADDRESSES[1], [SPLIT])
    counted = FaultyStore(inner)
    build(ORDERS[1], counted).gc(older_than_seconds=0, dry_run=True)
    refused = []
    for step in range(1, counted.steps + 1):
        try:
            build(ORDERS[1], FaultyStore(inner, fail_at=step, fault=fault)).gc(older_than_seconds=0, dry_run=True)
        except StoreError as error:
            refused.append(str(error))
    assert all(type(fault).__name__ in each and "canary" not in each for each in refused)
    assert len(refused) >= 3


def test_store_that_cannot_list_holds_no_parts(build):
    store = InlineStore()
    assert build("zstd | padme | cobblestone256", store).gc(older_than_seconds=0) == 0
