"""Ids and locators: no two addresses meet, and nothing but the address decides them."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.scope import Address, AssetScope, TaskScope, XComScope
from lamella.wire.lead import pack_lead, unpack_lead
from lamella.wire.locator import scope_prefixes

# Few and confusable, so that equal and nearly equal addresses are drawn often.
TEXTS = st.lists(st.sampled_from(["", "a", "/", "|", "\0", ":", "é", "e\u0301", "dag_id", "-1"]), max_size=3).map(
    "".join
)
INDICES = st.sampled_from([-1, 0, 1, 11, 2**31 - 1])
REGIONS = {"region_id": st.none() | TEXTS, "region_index": st.none() | INDICES}
TASKS = st.builds(TaskScope, TEXTS, TEXTS, TEXTS, INDICES, **REGIONS)
XCOMS = st.builds(XComScope, TEXTS, TEXTS, TEXTS, INDICES, **REGIONS)
ASSETS = st.one_of(
    st.builds(AssetScope, asset_id=st.none() | st.integers(0, 3), name=TEXTS, uri=st.none() | TEXTS),
    st.builds(AssetScope, asset_id=st.none() | st.integers(0, 3), uri=TEXTS),
    st.builds(AssetScope, asset_id=st.integers(0, 3)),
)
ADDRESSES = st.builds(Address, TASKS | XCOMS | ASSETS, TEXTS)

SCRIPT = """
import sys, time
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.registry import installed_registry
from lamella.scope import Address, AssetScope, TaskScope
from lamella.stack import Stack
from lamella_layers.store.memory import MemoryStore

days = int(sys.argv[2]) * 86_400
real, real_ns = time.time, time.time_ns
time.time, time.time_ns = lambda: real() + days, lambda: real_ns() + days * 10**9
names = ("zstd", "padme", "cobblestone256", "chunk")
layers = [installed_registry().layer(name)() for name in names]
stack = Stack(layers, MemoryStore(), Keyring.open(FileKeyProvider(sys.argv[1])))
for scope in (TaskScope("d", "r", "t", 3, region_id="x", region_index=2), AssetScope(uri="u")):
    print(stack.put(Address(scope, "key"), {"b": 1, "a": {"d", }.pop()}))
"""


def _identity(address):
    """Say who owns a value, in words that share nothing with the ids."""
    scope = address.scope
    if isinstance(scope, AssetScope):
        ids = {"name": scope.name, "uri": scope.uri, "asset_id": scope.asset_id}
        return type(scope), next((tag, each) for tag, each in ids.items() if each is not None), address.key
    return type(scope), vars(scope), address.key


@settings(max_examples=10 * settings().max_examples)
@given(ADDRESSES, ADDRESSES)
def test_two_addresses_share_a_place_only_if_they_are_the_same(build, one, other):
    place = build("zstd").engine.place
    same = _identity(one) == _identity(other)
    assert (place(one) == place(other)) == same
    assert (place(one).head == place(other).head) == same
    assert (place(one).parts == place(other).parts) == same


@settings(max_examples=10 * settings().max_examples)
@given(ADDRESSES, ADDRESSES, st.booleans())
def test_prefix_of_a_scope_covers_its_own_objects_alone(build, one, other, every_index):
    engine = build("zstd").engine
    heads, parts = scope_prefixes(engine.scope_id(one.scope), None if every_index else one.scope.map_index)
    (kind, scope, _), (other_kind, other_scope, _) = _identity(one), _identity(other)
    if every_index and not isinstance(one.scope, AssetScope) and not isinstance(other.scope, AssetScope):
        scope, other_scope = ({**each, "map_index": None} for each in (scope, other_scope))
    covered = (kind, scope) == (other_kind, other_scope)
    assert engine.place(other).head.startswith(heads) == covered
    assert engine.place(other).part(bytes(16), 7).startswith(parts) == covered


@given(ADDRESSES)
def test_locator_has_one_length_and_no_letter_of_a_name(build, address):
    place = build("zstd").engine.place(address)
    assert len(place.head) == len("o1/") + 32 + 1 + len(str(address.scope.map_index)) + 1 + 32
    assert set(place.part(bytes(16), 2**17)) <= set("0123456789abcdefop-/")


@given(ADDRESSES, st.sampled_from([0, 1]), st.binary(max_size=40))
def test_address_can_be_read_back_from_what_is_sealed(address, codec, value):
    packed = pack_lead(codec, address)
    lead, end = unpack_lead(packed + value)
    assert (lead.codec, end) == (codec, len(packed))
    assert _identity(lead.address()) == _identity(address)


def test_refs_are_equal_across_processes_hash_seeds_and_days(keyring_file):
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(keyring_file), days],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        for seed, days in (("0", "0"), ("1", "1"), ("random", "400"))
    ]
    assert len({run.stdout for run in runs}) == 1
    assert runs[0].stdout.count("lamella:1:") == 2
