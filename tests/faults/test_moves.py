"""Genuine bytes at another place: objects moved between addresses, parts between positions and generations."""

from __future__ import annotations

import io
import re
from itertools import permutations

import pytest

from lamella.errors import IntegrityError, LamellaError, ObjectNotFoundError, RefMismatchError
from lamella.policy import Policy
from lamella.protocols.store import StoredObject
from lamella.scope import Address, AssetScope, TaskScope, XComScope
from lamella.testing.payloads import noise
from lamella.testing.store_objects import objects
from lamella_layers.store.memory import MemoryStore

BEST = "zstd | padme | cobblestone256 | chunk"
AFTER = "chunk | cobblestone256"
ORDERS = (BEST, AFTER, "cobblestone256 | chunk | zstd")
ADDRESSES = (
    Address(TaskScope("dag", "run", "task"), "key"),
    Address(TaskScope("dag", "run", "task"), "other"),
    Address(TaskScope("dag", "run", "other"), "key"),
    Address(TaskScope("dag", "run", "task", 1), "key"),
    Address(XComScope("dag", "run", "task"), "key"),
    Address(AssetScope(name="asset"), "key"),
    Address(AssetScope(uri="asset"), "key"),
)
SPLIT_BYTES = 3 * 65_536 + 100


def _read(stack, ref):
    target = io.BytesIO()
    stack.get_into(ref, target)
    return target.getvalue()


def _moved(stack, source, target):
    """Copy all objects of one address to the locators of another."""
    store = stack.engine.store
    one, other = stack.engine.place(source), stack.engine.place(target)
    for locator, body in objects(store).items():
        if locator == one.head:
            store.put(other.head, (body,))
        elif locator.startswith(one.parts):
            store.put(other.parts + locator.removeprefix(one.parts), (body,))


@pytest.mark.parametrize("order", [*ORDERS, "zstd", "zstd | chunk"])
@pytest.mark.parametrize("size_bytes", [100, SPLIT_BYTES])
def test_object_moved_to_another_address_is_refused(build, order, size_bytes):
    stack = build(order)
    source = ADDRESSES[0]
    stack.put_stream(source, [noise(size_bytes)])
    for target in ADDRESSES[1:]:
        ref = stack.put_stream(target, [b"its own"])
        _moved(stack, source, target)
        with pytest.raises(IntegrityError):
            _read(stack, ref)
        stack.delete(target)


@pytest.mark.parametrize(("one", "other"), [*permutations(ADDRESSES, 2)][::5])
def test_swapped_refs_are_refused_where_the_address_is_known(build, one, other):
    stack = build(BEST)
    refs = {address: stack.put(address, str(address)) for address in (one, other)}
    with pytest.raises(RefMismatchError):
        stack.get(refs[one], expect=other)
    with pytest.raises(RefMismatchError):
        stack.get_into(refs[one], io.BytesIO(), expect=other)
    assert stack.get(refs[one], expect=one) == str(one)


def test_object_of_another_deployment_with_the_same_keys_is_refused(build, keyring_file):
    from lamella.keys.document import pack, unpack  # noqa: PLC0415 - for this one test
    from lamella.keys.keyring import Keyring  # noqa: PLC0415 - for this one test

    record = unpack(keyring_file.read_text())
    others = unpack(pack(type(record)("elsewhere", record.epoch, record.keys)))
    here, elsewhere = (build(BEST, keyring=Keyring(each)) for each in (record, others))
    ref = here.put(ADDRESSES[0], 1)
    elsewhere.put(ADDRESSES[0], 2)
    ((_, body),) = objects(elsewhere.engine.store).items()
    here.engine.store.put(here.engine.place(ADDRESSES[0]).head, (body,))
    with pytest.raises(IntegrityError):
        here.get(ref)


class Split:
    """One split value, its parts and its head by name."""

    def __init__(self, build, order):
        self.stack = build(order, policy=Policy())
        self.store = self.stack.engine.store
        self.place = self.stack.engine.place(ADDRESSES[0])
        self.ref = self.stack.put_stream(ADDRESSES[0], [noise(SPLIT_BYTES)])
        self.objects = objects(self.store)
        self.parts = sorted(each for each in self.objects if each.startswith("p1/"))
        assert len(self.parts) >= 4
        assert _read(self.stack, self.ref) == noise(SPLIT_BYTES)


@pytest.mark.parametrize("order", ORDERS)
def test_parts_in_another_turn_are_refused(build, order):
    split = Split(build, order)
    for one, other in permutations(split.parts, 2):
        split.store.put(one, (split.objects[other],))
        split.store.put(other, (split.objects[one],))
        with pytest.raises(IntegrityError):
            _read(split.stack, split.ref)
        for each in (one, other):
            split.store.put(each, (split.objects[each],))
    assert _read(split.stack, split.ref) == noise(SPLIT_BYTES)


@pytest.mark.parametrize("order", ORDERS)
def test_part_that_stands_twice_is_refused(build, order):
    split = Split(build, order)
    for one, other in permutations(split.parts, 2):
        split.store.put(one, (split.objects[other],))
        with pytest.raises(IntegrityError):
            _read(split.stack, split.ref)
        split.store.put(one, (split.objects[one],))


@pytest.mark.parametrize("order", ORDERS)
def test_part_that_is_missing_or_empty_is_refused(build, order):
    split = Split(build, order)
    for each in split.parts:
        split.store.delete(each)
        with pytest.raises(IntegrityError):
            _read(split.stack, split.ref)
        split.store.put(each, ())
        with pytest.raises(IntegrityError):
            _read(split.stack, split.ref)
        split.store.put(each, (split.objects[each],))


@pytest.mark.parametrize("order", ORDERS)
def test_part_of_an_older_generation_is_refused(build, order):
    split = Split(build, order)
    split.stack.put_stream(ADDRESSES[0], [noise(SPLIT_BYTES + 10)[10:]])
    newer = sorted(each for each in objects(split.store) if each.startswith("p1/"))
    for old, new in zip(split.parts, newer, strict=True):
        now = b"".join(split.store.get(new)[1])
        split.store.put(new, (split.objects[old],))
        with pytest.raises(IntegrityError):
            _read(split.stack, split.ref)
        split.store.put(new, (now,))
    assert _read(split.stack, split.ref) == noise(SPLIT_BYTES + 10)[10:]


@pytest.mark.parametrize("order", ORDERS)
def test_head_and_whole_object_never_pass_for_each_other(build, order):
    split = Split(build, order)
    head = split.objects[split.place.head]
    shape_at = 8  # The first field of the header's record.
    split.store.put(split.place.head, (head[:shape_at] + b"\x00" + head[shape_at + 1 :],))
    with pytest.raises(IntegrityError):
        _read(split.stack, split.ref)
    split.store.put(split.place.head, (split.objects[split.parts[0]],))
    with pytest.raises(IntegrityError):
        _read(split.stack, split.ref)
    whole = build(order)
    ref = whole.put(ADDRESSES[0], 1)
    ((locator, body),) = objects(whole.engine.store).items()
    assert body[shape_at] == 0
    whole.engine.store.put(locator, (body[:shape_at] + b"\x01" + body[shape_at + 1 :],))
    with pytest.raises(IntegrityError):
        whole.get(ref)


@pytest.mark.parametrize("order", ORDERS)
def test_more_parts_than_the_head_names_change_nothing_and_go_with_a_delete(build, order):
    split = Split(build, order)
    number = int(split.parts[-1].rpartition("/")[2]) + 1
    split.store.put(re.sub(r"[0-9]+$", f"{number:08d}", split.parts[-1]), (split.objects[split.parts[0]],))
    assert _read(split.stack, split.ref) == noise(SPLIT_BYTES)
    split.stack.delete(ADDRESSES[0])
    assert objects(split.store) == {}


@pytest.mark.parametrize("order", ORDERS)
def test_head_of_an_older_generation_without_its_parts_is_refused(build, order):
    split = Split(build, order)
    split.stack.put_stream(ADDRESSES[0], [noise(SPLIT_BYTES + 10)[10:]])
    split.store.put(split.place.head, (split.objects[split.place.head],))
    with pytest.raises(LamellaError):
        _read(split.stack, split.ref)


@pytest.mark.parametrize(
    "name", ["notes", "zzz/1", f"{'0' * 32}/1", f"{'0' * 32}/00000000/more", f"{'g' * 32}/00000000"]
)
@pytest.mark.parametrize("erase", ["delete", "clear"])
def test_stray_object_among_the_parts_goes_with_an_erasure(build, name, erase):
    stack = build(BEST)
    stack.put(ADDRESSES[0], 1)
    stack.engine.store.put(stack.engine.place(ADDRESSES[0]).parts + name, (b"stray",))
    getattr(stack, erase)(ADDRESSES[0] if erase == "delete" else ADDRESSES[0].scope)
    assert objects(stack.engine.store) == {}


def test_stray_object_among_the_parts_of_a_scope_goes_when_it_is_cleared(build):
    stack = build(BEST)
    stack.put(ADDRESSES[0], 1)
    stack.engine.store.put(f"p1/{stack.engine.place(ADDRESSES[0]).scope_id}/readme", (b"stray",))
    stack.clear(ADDRESSES[0].scope, all_map_indices=True)
    assert objects(stack.engine.store) == {}


class Littered(MemoryStore):
    """Lists what another program left in the folder, under names that are no locators."""

    litter = ()

    def list(self, prefix):
        yield from (StoredObject(prefix + name, 1, 0.0) for name in self.litter)
        yield from super().list(prefix)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("erase", ["delete", "clear"])
def test_name_that_no_writer_could_have_given_stands_in_no_erasure_s_way(build, order, erase):
    store = Littered()
    stack = build(order, store)
    stack.put_stream(ADDRESSES[0], [noise(SPLIT_BYTES)])
    store.litter = (".stray", "Notes", "a" * 160)
    getattr(stack, erase)(ADDRESSES[0] if erase == "delete" else ADDRESSES[0].scope)
    assert [row for prefix in ("o1/", "p1/") for row in MemoryStore.list(store, prefix)] == []


def test_asset_written_by_name_is_another_one_than_by_uri(build):
    stack = build(BEST)
    by_name, by_uri = (Address(AssetScope(**{field: "asset"}), "key") for field in ("name", "uri"))
    both = Address(AssetScope(name="asset", uri="asset", asset_id=7), "key")
    refs = [stack.put(address, value) for address, value in ((by_name, 1), (by_uri, 2))]
    assert [stack.get(ref) for ref in refs] == [1, 2]
    assert stack.get_at(both) == 1
    stack.clear(both.scope)
    assert stack.get(refs[1]) == 2
    with pytest.raises(ObjectNotFoundError):
        stack.get(refs[0])
