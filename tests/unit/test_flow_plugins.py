"""Layers and stores that break their contract: the flow names them and never takes their word."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar

import pytest

from lamella.errors import ConfigError, IntegrityError, LamellaError, ManifestRefusedError, StoreError
from lamella.policy import Policy
from lamella.protocols.layer import BytesLayer, Entry, FactBlock
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella.testing.payloads import noise
from lamella.testing.store_objects import locators
from lamella.wire.envelope import HEAD, pack_header
from lamella_layers.chunk.fixed import Chunk
from lamella_layers.encrypt.cobblestone256 import Cobblestone256
from lamella_layers.store.memory import MemoryStore

ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
PLAIN = Policy(allow_plaintext=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Same(BytesLayer):
    """Leaves everything as it is."""

    name: ClassVar[str] = "same"

    def encode(self, source, context):
        del context
        yield from source

    def decode(self, source, context):
        del context
        yield from source


class Forgetful(Same):
    """Claims to seal, and sets no facts."""

    name: ClassVar[str] = "forgetful"
    strength: ClassVar[int] = 200


class Undeclared(Same):
    """Binds although it claims no strength."""

    name: ClassVar[str] = "undeclared"

    def encode(self, source, context):
        context.bind(FactBlock(context.position, 1, 0, 0, bytes(8), bytes(40), bytes(16), 0))
        yield from source


class Choking(Same):
    """Raises what no layer may, and shows what it read."""

    name: ClassVar[str] = "choking"

    def encode(self, source, context):
        del context
        raise RuntimeError(b"".join(source))
        yield b""

    def decode(self, source, context):
        del context
        raise RuntimeError(b"".join(source))
        yield b""


class OneWay(Same):
    """Encodes, and chokes on all that it decodes."""

    name: ClassVar[str] = "oneway"
    decode = Choking.decode


class Starving(Same):
    """Runs out of memory."""

    name: ClassVar[str] = "starving"

    def decode(self, source, context):
        del source, context
        raise MemoryError
        yield b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changing(Same):
    """Does not give its own entry back."""

    name: ClassVar[str] = "changing"

    level: int = 1

    def entry(self):
        return Entry(self.name, 1, (("level", str(self.level)),))

    @classmethod
    def from_entry(cls, entry):
        del entry
        return cls(level=9)


class Confused(Same):
    """Chokes on its own entry."""

    name: ClassVar[str] = "confused"

    @classmethod
    def from_entry(cls, entry):
        del entry
        raise KeyError("canary")


class Missing(Same):
    """Gives nothing where its entry brings back a layer."""

    name: ClassVar[str] = "missing"

    @classmethod
    def from_entry(cls, entry):
        del entry


REGISTRY = installed_registry().with_layers(
    Same, Forgetful, Undeclared, Choking, OneWay, Starving, Changing, Confused, Missing
)


@pytest.fixture
def plugins(keyring):
    """Give what builds a stack of plugin layers."""

    def plugins(*layers, store=None, policy=PLAIN):
        return Stack(layers, store or MemoryStore(), keyring, policy=policy, registry=REGISTRY)

    return plugins


@pytest.mark.parametrize("value", [b"small", noise(1_500_000)], ids=["small", "large"])
@pytest.mark.parametrize("layers", [(Forgetful(),), (Same(), Forgetful()), (Chunk(part_bytes=2**16), Forgetful())])
def test_seal_that_sets_no_facts_stores_no_value(plugins, value, layers):
    stack = plugins(*layers)
    with pytest.raises(LamellaError, match="set no facts; report it"):
        stack.put_stream(ADDRESS, [value])
    with pytest.raises(LamellaError, match="set no facts; report it"):
        stack.put(ADDRESS, value.hex())
    assert not list(stack.engine.store.list("o1/")) + list(stack.engine.store.list("p1/"))


def test_layer_that_binds_without_strength_is_named(plugins):
    with pytest.raises(LamellaError, match="the layer at position 1 seals, but it has no strength"):
        plugins(Same(), Undeclared()).put(ADDRESS, 1)


@pytest.mark.parametrize("layers", [(Choking(),), (Chunk(part_bytes=2**16), Choking())])
def test_layer_that_chokes_on_a_write_is_named_by_its_exception_s_kind_alone(plugins, layers):
    stack = plugins(*layers)
    stack.engine.store.put(stack.engine.place(ADDRESS).head, (b"before",))
    for put in (lambda: stack.put(ADDRESS, "canary" * 50_000), lambda: stack.put_stream(ADDRESS, [b"canary"])):
        with pytest.raises(
            LamellaError, match="failed with RuntimeError; the old value is there, or the new one"
        ) as refused:
            put()
        assert "canary" not in str(refused.value)
        assert refused.value.locator == stack.engine.place(ADDRESS).head
    assert locators(stack.engine.store) == [stack.engine.place(ADDRESS).head]


@pytest.mark.parametrize("value", [b"canary", noise(150_000)], ids=["small", "split"])
def test_layer_that_chokes_on_a_read_reports_damage_and_never_what_it_read(plugins, value):
    stack = plugins(Chunk(part_bytes=2**16), OneWay())
    ref = stack.put_stream(ADDRESS, [value])
    with pytest.raises(IntegrityError) as refused:
        stack.get_into(ref, io.BytesIO())
    assert "canary" not in str(refused.value)


def test_head_on_which_a_layer_chokes_is_replaced(plugins):
    store = MemoryStore()
    stack = plugins(Chunk(part_bytes=2**16), OneWay(), store=store)
    stack.put_stream(ADDRESS, [noise(150_000)])
    other = plugins(Chunk(part_bytes=2**16), store=store)
    ref = other.put_stream(ADDRESS, [noise(150_001)])
    target = io.BytesIO()
    other.get_into(ref, target)
    assert target.getvalue() == noise(150_001)
    other.delete(ADDRESS)
    assert not list(store.list("p1/"))


def test_lack_of_memory_is_not_damage(plugins):
    stack = plugins(Starving())
    ref = stack.put(ADDRESS, 1)
    with pytest.raises(MemoryError):
        stack.get(ref)


def test_layer_that_does_not_give_its_own_entry_back_is_refused_on_a_read(plugins):
    stack = plugins(Changing())
    ref = stack.put(ADDRESS, 1)
    with pytest.raises(ManifestRefusedError, match="does not give its own entry back"):
        stack.get(ref)


def test_layer_that_chokes_on_its_entry_is_named_and_no_damage(plugins):
    stack = plugins(Confused())
    ref = stack.put(ADDRESS, 1)
    for read in (lambda: stack.get(ref), lambda: plugins(Same(), store=stack.engine.store).get_at(ADDRESS)):
        with pytest.raises(ManifestRefusedError, match="layer 'confused' failed with KeyError") as refused:
            read()
        assert "canary" not in str(refused.value)


def test_layer_that_its_entry_does_not_bring_back_is_named(plugins):
    stack = plugins(Missing())
    ref = stack.put(ADDRESS, 1)
    with pytest.raises(ManifestRefusedError, match="layer 'missing' failed with TypeError") as refused:
        stack.get(ref)
    assert refused.value.layer == "missing"


@pytest.mark.parametrize("entry", [None, "odd", ("odd", 1, ()), Entry("odd", 1, None), Entry("odd", 1, ("level",))])
def test_entry_that_is_none_is_refused_with_its_layer_when_the_stack_is_built(keyring, entry):
    class Odd(Same):
        name: ClassVar[str] = "odd"

        def entry(self):
            return entry

    registry = installed_registry().with_layers(Odd)
    with pytest.raises(ManifestRefusedError, match="layer 'odd' failed with"):
        Stack([Odd()], MemoryStore(), keyring, policy=PLAIN, registry=registry)


def test_layer_that_is_not_the_registered_one_is_refused_when_the_stack_is_built(keyring):
    class Zstd(Same):
        name: ClassVar[str] = "zstd"

    with pytest.raises(ConfigError, match="not the one that is registered"):
        Stack([Zstd()], MemoryStore(), keyring, policy=PLAIN)


def test_entry_that_breaks_the_grammar_is_refused_when_the_stack_is_built(keyring):
    class Odd(Same):
        name: ClassVar[str] = "odd"

        def entry(self):
            return Entry(self.name, 1, (("level", "a b"),))

    registry = installed_registry().with_layers(Odd)
    with pytest.raises(ManifestRefusedError, match="grammar"):
        Stack([Odd()], MemoryStore(), keyring, policy=PLAIN, registry=registry)


def test_head_record_longer_than_any_is_damage(plugins):
    stack = plugins(Chunk(part_bytes=2**16))
    head = stack.engine.place(ADDRESS).head
    stack.engine.store.put(head, (pack_header(HEAD, "chunk.1"), bytes(70_000)))
    with pytest.raises(IntegrityError):
        stack.get_at(ADDRESS)
    stack.put_stream(ADDRESS, [noise(150_000)])
    stack.delete(ADDRESS)
    assert not list(stack.engine.store.list("p1/"))


def test_head_of_a_stack_that_does_not_split_is_damage(plugins):
    stack = plugins(Same())
    stack.engine.store.put(stack.engine.place(ADDRESS).head, (pack_header(HEAD, "same.1"), b"..."))
    with pytest.raises(IntegrityError):
        stack.get_at(ADDRESS)


def test_facts_for_another_layer_than_the_seal_are_damage(plugins):
    stack = plugins(Same(), Cobblestone256(), policy=Policy())
    facts = FactBlock(0, 1, 0, 0, bytes(8), bytes(40), bytes(16), 0)
    for each in ((), (facts,), (facts, facts._replace(position=1))):
        packed = pack_header(0, stack.engine.plan.manifest, each)
        stack.engine.store.put(stack.engine.place(ADDRESS).head, (packed, b"..."))
        with pytest.raises(IntegrityError):
            stack.get_at(ADDRESS)


class Listless(MemoryStore):
    lists = False


def test_store_that_does_not_list_deletes_by_key_and_cannot_clear(plugins):
    stack = plugins(Same(), store=Listless())
    stack.put(ADDRESS, 1)
    stack.delete(ADDRESS)
    assert not list(stack.engine.store.list("o1/"))
    with pytest.raises(StoreError, match="does not list, so a scope cannot be cleared; delete key by key"):
        stack.clear(ADDRESS.scope)


@pytest.mark.parametrize("method", ["get", "delete", "list"])
def test_store_that_raises_its_own_error_is_named_by_its_kind_alone(plugins, method, monkeypatch):
    stack = plugins(Same())
    ref = stack.put(ADDRESS, 1)

    def broken(*_, **__):
        raise ConnectionError("canary")

    monkeypatch.setattr(MemoryStore, method, broken)
    calls = {
        "get": lambda: stack.get(ref),
        "delete": lambda: stack.delete(ADDRESS),
        "list": lambda: stack.clear(ADDRESS.scope),
    }
    with pytest.raises(StoreError, match="the store failed with ConnectionError") as refused:
        calls[method]()
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("given", [None, b"bytes", ("version", iter(()), "more")])
def test_store_that_gives_no_pair_of_version_and_payload_is_named(plugins, given, monkeypatch):
    stack = plugins(Same())
    ref = stack.put(ADDRESS, 1)
    monkeypatch.setattr(MemoryStore, "get", lambda *_: given)
    with pytest.raises(StoreError, match=r"the store failed with (Type|Value)Error"):
        stack.get(ref)


def test_part_that_the_store_cannot_give_is_no_damage(plugins):
    class Flaky(MemoryStore):
        def get(self, locator):
            if locator.startswith("p1/"):
                raise ConnectionError("canary")
            return super().get(locator)

    stack = plugins(Chunk(part_bytes=2**16), store=Flaky())
    ref = stack.put_stream(ADDRESS, [noise(150_000)])
    with pytest.raises(StoreError, match="ConnectionError"):
        stack.get_into(ref, io.BytesIO())
