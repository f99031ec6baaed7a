"""Whole stacks: every order brings back what was put, and several of them share a store."""

from __future__ import annotations

import io
import json
import warnings
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lamella.errors import ObjectNotFoundError, StackOrderError, StackWarning
from lamella.keys.keyring import Keyring
from lamella.policy import Policy
from lamella.registry import installed_registry
from lamella.scope import Address, AssetScope, TaskScope, XComScope
from lamella.stack import Stack
from lamella.testing.payloads import noise, text
from lamella_layers.store.memory import MemoryStore

NAMES = ("zstd", "padme", "cobblestone256", "chunk")
ORDERS = [" | ".join(order) for count in range(5) for order in permutations(NAMES, count)]
BEST = " | ".join(NAMES)
LITERAL = "cobblestone256 | zstd | chunk"
ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
SIZES = (0, 1, 255, 16_383, 65_536, 200_000, 1_100_000)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4),
    max_leaves=8,
)
FILLINGS = st.tuples(st.sampled_from([noise, text]), st.integers(0, 300_000) | st.sampled_from(SIZES))


@given(VALUES, FILLINGS, st.sampled_from(ORDERS))
def test_any_value_comes_back_through_any_order(build, value, filling, order):
    make, size_bytes = filling
    whole = [value, make(size_bytes).hex()]
    stack = build(order)
    ref = stack.put(ADDRESS, whole)
    assert stack.get(ref, expect=ADDRESS) == json.loads(json.dumps(whole))
    assert stack.get_at(ADDRESS) == stack.get(ref)


@given(FILLINGS, st.sampled_from(ORDERS), st.integers(1, 70_000), st.booleans())
def test_any_stream_comes_back_through_any_order(build, filling, order, piece_bytes, said):
    make, size_bytes = filling
    stream = make(size_bytes)
    piece_bytes = max(piece_bytes, size_bytes // 200)
    pieces = [stream[start : start + piece_bytes] for start in range(0, size_bytes, piece_bytes)]
    stack = build(order)
    ref = stack.put_stream(ADDRESS, pieces, size_bytes if said else None)
    target = io.BytesIO()
    assert stack.get_into(ref, target) == size_bytes
    assert target.getvalue() == stream


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_writes_overwrites_and_deletes(build, order):
    stack = build(order)
    for size_bytes in (10, 200_000, 10, 1_500_000):
        ref = stack.put(ADDRESS, noise(size_bytes).hex())
        assert stack.get(ref) == noise(size_bytes).hex()
    stack.delete(ADDRESS)
    with pytest.raises(ObjectNotFoundError):
        stack.get(ref)
    assert not list(stack.engine.store.list("o1/")) + list(stack.engine.store.list("p1/"))


def _build_with_warnings(order, *, strict=False):
    layers = [installed_registry().layer(name)() for name in order.split(" | ")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Stack(layers, MemoryStore(), Keyring.ephemeral(), policy=Policy(strict=strict))
    assert all(each.category is StackWarning for each in caught)
    return [str(each.message) for each in caught]


@pytest.mark.parametrize("order", [" | ".join(order) for order in permutations(NAMES)])
def test_order_of_all_four_warns_unless_it_compresses_pads_and_seals_in_that_turn(order):
    names = order.split(" | ")
    turns = [names.index(name) for name in NAMES[:3]]
    said = _build_with_warnings(order)
    assert bool(said) == (turns != sorted(turns))
    assert all(sentence.endswith(f"the better order is: {BEST}") for sentence in said)
    if said:
        with pytest.raises(StackOrderError, match="the better order is"):
            _build_with_warnings(order, strict=True)
    else:
        assert _build_with_warnings(order, strict=True) == []


def test_literal_order_works_and_names_the_better_one(build):
    (said,) = _build_with_warnings(LITERAL)
    assert "zstd after cobblestone256 compresses ciphertext" in said
    assert said.endswith(f"the better order is: {BEST}")
    stack = build(LITERAL)
    assert stack.get(stack.put(ADDRESS, noise(300_000).hex())) == noise(300_000).hex()
    with pytest.raises(StackOrderError):
        _build_with_warnings(LITERAL, strict=True)


def test_compression_sealed_without_padding_is_a_warning_that_asks_for_padme():
    (said,) = _build_with_warnings("zstd | cobblestone256")
    assert "put padme between them" in said
    assert said.endswith("zstd | padme | cobblestone256")


@pytest.mark.parametrize("order", ["padme | cobblestone256", BEST])
@pytest.mark.parametrize("sizes_bytes", [range(60), range(9_900, 10_100), range(66_000, 66_900, 9)], ids=str)
def test_streams_of_one_padded_size_are_stored_in_objects_of_one_size(build, order, sizes_bytes):
    def stored(order):
        stack = build(order)
        sizes = set()
        for size_bytes in sizes_bytes:
            stack.put_stream(ADDRESS, [noise(size_bytes)])
            rows = [row for prefix in ("o1/", "p1/") for row in stack.engine.store.list(prefix)]
            sizes.add(tuple(sorted(row.size_bytes for row in rows)))
        return sizes

    assert len(stored(order)) == 1
    assert len(stored(order.replace("padme | ", ""))) == len(sizes_bytes)


SCOPES = (
    TaskScope("dag", "run", "task"),
    TaskScope("dag", "run", "task", 3),
    XComScope("dag", "run", "task"),
    AssetScope(name="asset"),
)
ADDRESSES = st.sampled_from([Address(scope, key) for scope in SCOPES for key in ("a", "b")])
MACHINE_ORDERS = (BEST, LITERAL, "chunk | cobblestone256", "cobblestone256", "zstd | chunk | padme | cobblestone256")
STACKS = st.integers(0, len(MACHINE_ORDERS) - 1)
MACHINE_SIZES = st.sampled_from([0, 100, 70_000, 200_000])


class StackMachine(RuleBasedStateMachine):
    """Stacks of several orders over one store, against a dict."""

    def __init__(self):
        super().__init__()
        self.store = MemoryStore()
        self.values = {}
        self.refs = {}
        self.count = 0

    @initialize()
    def build(self):
        keyring = Keyring.ephemeral()
        self.stacks = []
        for order in MACHINE_ORDERS:
            names = order.split(" | ")
            layers = [
                installed_registry().layer(name)(**({"part_bytes": 2**16} if name == "chunk" else {})) for name in names
            ]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", StackWarning)
                self.stacks.append(Stack(layers, self.store, keyring))

    def _next(self, size_bytes):
        self.count += 1
        return b"%d " % self.count + noise(size_bytes)

    def _keep(self, address, ref, kept):
        self.values[address] = kept
        self.refs.setdefault(address, set()).add(ref)

    @rule(stack=STACKS, address=ADDRESSES, size_bytes=MACHINE_SIZES)
    def put(self, stack, address, size_bytes):
        value = [self._next(size_bytes).hex()]
        self._keep(address, self.stacks[stack].put(address, value), value)

    @rule(stack=STACKS, address=ADDRESSES, size_bytes=MACHINE_SIZES, said=st.booleans())
    def put_stream(self, stack, address, size_bytes, said):
        value = self._next(size_bytes)
        ref = self.stacks[stack].put_stream(address, io.BytesIO(value), len(value) if said else None)
        self._keep(address, ref, value)

    @rule(stack=STACKS, address=ADDRESSES)
    def delete(self, stack, address):
        self.stacks[stack].delete(address)
        self.values.pop(address, None)
        place = self.stacks[stack].engine.place(address)
        assert not list(self.store.list(place.parts))

    @rule(stack=STACKS, scope=st.sampled_from(SCOPES), every_index=st.booleans())
    def clear(self, stack, scope, every_index):
        self.stacks[stack].clear(scope, all_map_indices=every_index)

        def cleared(other):
            one, two = ({**vars(each), "map_index": None} if every_index else vars(each) for each in (scope, other))
            return type(scope) is type(other) and one == two

        self.values = {each: value for each, value in self.values.items() if not cleared(each.scope)}

    @rule(stack=STACKS, address=ADDRESSES)
    def every_ref_reads_what_is_there_now(self, stack, address):
        for ref in self.refs.get(address, ()):
            self._read(self.stacks[stack], address, ref)

    def _read(self, stack, address, ref):
        kept = self.values.get(address)
        if kept is None:
            with pytest.raises(ObjectNotFoundError):
                stack.get(ref)
        elif isinstance(kept, bytes):
            target = io.BytesIO()
            assert stack.get_into(ref, target, expect=address) == len(kept)
            assert target.getvalue() == kept
        else:
            assert stack.get(ref, expect=address) == kept
            assert stack.get_at(address) == kept

    @invariant()
    def heads_are_those_of_the_values(self):
        assert len(list(self.store.list("o1/"))) == len(self.values)

    def teardown(self):
        for address in self.refs:
            self.stacks[0].delete(address)
        assert not list(self.store.list("o1/")) + list(self.store.list("p1/"))


TestStackMachine = StackMachine.TestCase
TestStackMachine.settings = settings(max_examples=max(20, settings().max_examples // 2), stateful_step_count=25)
