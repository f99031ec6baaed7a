"""What cannot work is refused when a stack is built, and nothing is opened."""

from __future__ import annotations

import pickle  # noqa: TID251 - hosts carry errors between processes so
import warnings
from typing import ClassVar

import pytest

from lamella.errors import (
    AddressError,
    ConfigError,
    ForkedProcessError,
    StackOrderError,
    StackWarning,
    StoreConflictError,
)
from lamella.policy import Policy
from lamella.registry import installed_registry
from lamella.scope import Address, AssetScope, TaskScope
from lamella.stack import Stack
from lamella.testing import FaultyStore
from lamella.testing.payloads import noise
from lamella_layers.pad.padme import Padme
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore

ADDRESS = Address(TaskScope("dag", "run", "task"), "key")


class Listless(MemoryStore):
    lists = False


@pytest.mark.parametrize(
    ("order", "store", "match"),
    [
        ("chunk | chunk", MemoryStore(), "splits once at most, this one by chunk and chunk"),
        ("chunk", InlineStore(), "chunk makes parts, but the store 'inline' takes each value whole"),
        ("chunk", Listless(), "a delete could not find the parts"),
    ],
)
def test_order_that_cannot_work_is_refused_when_it_is_built(build, order, store, match):
    with pytest.raises(StackOrderError, match=match):
        build(order, store)


@pytest.mark.parametrize(
    ("order", "longest"),
    [
        ("zstd | padme | cobblestone256 | chunk", 69_895),
        ("chunk | zstd | cobblestone256 | cobblestone256", 69_895),
        ("chunk | zstd | padme | cobblestone256", 77_831),
    ],
)
def test_parts_are_no_longer_than_the_store_that_a_stack_is_built_over_takes(build, order, longest):
    store = MemoryStore()
    store.max_object_bytes = longest - 1
    with pytest.raises(StackOrderError, match=f"may make objects of {longest} bytes, memory:// takes up to"):
        build(order, store)
    store.max_object_bytes = longest
    stack = build(order, store)
    for size_bytes in (*range(65_300, 65_537, 59), 200_000):
        stack.put_stream(ADDRESS, [noise(size_bytes)])
        assert max(row.size_bytes for prefix in ("o1/", "p1/") for row in store.list(prefix)) <= longest


@pytest.mark.parametrize("order", ["", "zstd", "zstd | padme | chunk"])
def test_stack_without_a_seal_asks_for_one_or_for_leave(build, order):
    with pytest.raises(ConfigError, match=r"add cobblestone256, or set policy\.allow_plaintext = true"):
        build(order, policy=Policy())
    build(order, policy=Policy(allow_plaintext=True))


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        ({"alias": "Main"}, "'Main': use a letter"),
        ({"alias": "a/b"}, "use a letter"),
        ({"alias": "x" * 33}, "use a letter"),
        ({"others": {"": MemoryStore()}}, "use a letter"),
        ({"others": {"main": MemoryStore()}}, "given twice"),
        ({"renamed": {"old": "nowhere"}}, "must lead from an unused alias to a configured store"),
        ({"renamed": {"main": "main"}}, "must lead from an unused alias to a configured store"),
        ({"renamed": {"s3://x": "main"}}, "use a letter"),
    ],
)
def test_aliases_that_no_ref_could_name_are_refused(build, parts, match):
    with pytest.raises(ConfigError, match=match):
        build("cobblestone256", **parts)


def test_fips_that_is_required_and_missing_stops_the_start(build):
    """Wheels from the package index cannot run in FIPS mode."""
    with pytest.raises(ConfigError, match="does not run in FIPS mode"):
        build("cobblestone256", policy=Policy(require_fips=True))


def test_fips_that_is_required_and_there_is_enough(build, monkeypatch):
    from cryptography.hazmat.bindings._rust import openssl  # noqa: PLC0415 - for this one test

    monkeypatch.setattr(openssl, "is_fips_enabled", lambda: True)
    assert build("cobblestone256", policy=Policy(require_fips=True))


def test_building_and_closing_a_stack_touches_no_store(build):
    store = FaultyStore(MemoryStore())
    build("zstd | padme | cobblestone256 | chunk", store).close()
    assert store.calls == []


@pytest.mark.parametrize(
    ("order", "sentences"),
    [
        ("zstd | padme | cobblestone256 | chunk", []),
        ("padme | cobblestone256", []),
        ("zstd | chunk", []),
        ("zstd | zstd | padme | cobblestone256", ["compresses twice"]),
        ("cobblestone256 | cobblestone256", ["seals twice under one keyring"]),
        ("padme | padme | cobblestone256", ["pads twice"]),
        ("cobblestone256 | padme | padme", ["pads outside the seal", "pads twice"]),
        ("cobblestone256 | padme", ["pads outside the seal"]),
        ("padme | zstd | cobblestone256", ["compresses the padding away", "put padme between them"]),
        ("zstd | chunk | cobblestone256", ["put padme between them"]),
    ],
)
def test_order_that_wastes_or_leaks_is_said_once_each(build, monkeypatch, order, sentences):
    said = []
    monkeypatch.setattr(warnings, "warn", lambda message, category, **_: said.append((message, category)))
    build(order)
    assert len(said) == len(sentences)
    assert all(category is StackWarning and "; the better order is: " in message for message, category in said)
    for sentence in sentences:
        assert any(sentence in message for message, _ in said), sentence


def test_warning_names_the_line_that_builds_the_stack(keyring):
    layers = [installed_registry().layer(name)() for name in ("cobblestone256", "padme")]
    with pytest.warns(StackWarning) as caught:
        Stack(layers, MemoryStore(), keyring)
    assert [each.filename for each in caught] == [__file__]


@pytest.mark.parametrize("error", [StoreConflictError("again", locator="o1/x", key_id="ab"), ForkedProcessError("no")])
def test_errors_travel_between_processes_with_their_facts(error):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made on the line before
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


class Unordered(Padme):
    name: ClassVar[str] = "unordered"
    role: ClassVar[str] = "shuffle"


def test_layer_of_no_known_role_is_refused_when_the_stack_is_built(keyring):
    registry = installed_registry().with_layers(Unordered)
    with pytest.raises(StackOrderError, match="'unordered' has the unknown role 'shuffle'"):
        Stack([Unordered()], MemoryStore(), keyring, policy=Policy(allow_plaintext=True), registry=registry)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Address(TaskScope("d", "r", "t"), "x" * 4097), "key has 4097 characters, the limit is 4096"),
        (lambda: Address(TaskScope("d", "r", "t"), b"key"), "key must be a str, not bytes"),
        (lambda: TaskScope("d", "\ud800", "t"), "run_id holds a lone surrogate"),
        (lambda: TaskScope("d", None, "t"), "run_id must be a str"),
        (lambda: TaskScope("d", "r", "t", -2), "map_index must be an int from -1"),
        (lambda: TaskScope("d", "r", "t", map_index=True), "map_index must be an int"),
        (lambda: TaskScope("d", "r", "t", region_index=2**31), "region_index must be an int"),
        (lambda: TaskScope("d", "r", "t", region_id=1), "region_id must be a str"),
        (lambda: AssetScope(asset_id=-1), "asset_id must be an int from 0"),
        (lambda: AssetScope(uri=1), "uri must be a str"),
        (AssetScope, "at least one of"),
    ],
)
def test_scope_or_key_that_cannot_be_an_address_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_what_is_no_scope_of_lamella_is_refused_by_its_type(build):
    stack = build("cobblestone256")
    for call in (
        lambda: stack.put(Address("dag", "key"), 1),
        lambda: stack.get_at(Address(None, "key")),
        lambda: stack.delete(Address(Address(TaskScope("dag", "run", "task"), "key"), "key")),
        lambda: stack.clear("dag"),
    ):
        with pytest.raises(AddressError, match=r"a scope is a lamella\.TaskScope or a lamella\.AssetScope, not a "):
            call()


def test_what_is_no_address_is_refused_by_its_type(build):
    stack = build("cobblestone256")
    ref = stack.put(Address(TaskScope("dag", "run", "task"), "key"), 1)
    for call in (
        lambda: stack.put("key", 1),
        lambda: stack.put_stream("key", b"1"),
        lambda: stack.get_at("key"),
        lambda: stack.get(ref, expect="key"),
        lambda: stack.delete("key"),
    ):
        with pytest.raises(AddressError, match=r"an address is a lamella\.Address\(scope, key\), not a str"):
            call()


def test_value_of_a_store_that_is_only_read_is_found_without_a_ref(build):
    address = Address(TaskScope("dag", "run", "task"), "key")
    archive = MemoryStore()
    build("cobblestone256", archive).put(address, 1)
    stack = build("cobblestone256", others={"archive": archive, "refs": InlineStore()})
    assert stack.get_at(address) == 1


def test_read_without_a_ref_finds_no_older_value_beside_an_inline_store(build):
    address = Address(TaskScope("dag", "run", "task"), "key")
    older = MemoryStore()
    build("cobblestone256", older).put(address, "old")
    stack = build("cobblestone256", InlineStore(), others={"old": older})
    assert stack.get(stack.put(address, "new")) == "new"
    with pytest.raises(ConfigError, match="in their refs alone"):
        stack.get_at(address)
