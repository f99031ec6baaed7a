"""Whole stored objects: the committed vectors against the stack, in memory and streamed."""

from __future__ import annotations

import io
from contextlib import nullcontext

import pytest

from lamella.errors import (
    IntegrityError,
    KeyVersionNotFoundError,
    ManifestRefusedError,
    ObjectNotFoundError,
    RefMismatchError,
)
from lamella.keys.document import unpack
from lamella.keys.keyring import Keyring
from lamella.policy import Policy
from lamella.protocols.layer import BytesLayer, Role
from lamella.registry import installed_registry
from lamella.stack import Stack
from lamella.wire.ref import format_ref
from lamella_layers.encrypt.cobblestone256 import Cobblestone256
from lamella_layers.pad.padme import Padme
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore

_ERRORS = {
    **dict.fromkeys(
        (
            "address",
            "cut",
            "envelope",
            "extended",
            "facts",
            "generation",
            "json",
            "lead",
            "moved",
            "parts",
            "shape",
            "tag",
            "wrapped-key",
        ),
        IntegrityError,
    ),
    **dict.fromkeys(("floor", "layers", "policy", "store", "version"), ManifestRefusedError),
    "key": KeyVersionNotFoundError,
    "mismatch": RefMismatchError,
    "missing": ObjectNotFoundError,
}


class _Required(BytesLayer):
    """Stands for a layer of any strength class, so that today's stack requires it of what it reads."""

    __slots__ = ()
    name = "required"
    role = Role.OTHER

    def encode(self, source, context):
        raise NotImplementedError

    def decode(self, source, context):
        raise NotImplementedError


def _store(objects):
    if objects is None:
        return InlineStore()
    store = MemoryStore()
    for locator, raw in objects.items():
        store.put(locator, [bytes.fromhex(raw)])
    return store


def _layers(required):
    if required in (0, Cobblestone256.strength):
        return [Cobblestone256()] if required else [], installed_registry()
    stronger = type("Stronger", (_Required,), {"strength": required, "__slots__": ()})
    return [stronger()], installed_registry().with_layers(stronger)


def _stack(vector):
    stores = {alias: _store(objects) for alias, objects in vector["stores"].items()}
    alias, store = next(iter(stores.items()))
    others = {name: each for name, each in stores.items() if name != alias}
    layers, registry = _layers(vector["required"])
    return Stack(
        layers,
        store,
        Keyring(unpack(vector["keyring"])),
        policy=Policy(allow_plaintext=True),
        alias=alias,
        others=others,
        registry=registry,
    )


def _streamed(stack, ref, expect=None):
    target = io.BytesIO()
    stack.get_into(ref, target, expect=expect)
    return target.getvalue()


def _expected(vector, to_address):
    return vector["expect"] and to_address(vector["expect"])


def test_accepted_object_gives_the_value_of_the_vector(accept_object, to_address):
    stack, expect = _stack(accept_object), _expected(accept_object, to_address)
    if accept_object["codec"]:
        assert _streamed(stack, accept_object["ref"], expect).hex() == accept_object["value"]
    else:
        assert stack.get(accept_object["ref"], expect=expect) == accept_object["value"]
        assert _streamed(stack, accept_object["ref"], expect)


def test_accepted_object_is_where_its_address_says(accept_object, to_address):
    stack = _stack(accept_object)
    ref = stack.engine.verify(accept_object["ref"])
    assert stack.engine.place(to_address(accept_object["address"])) == ref.place
    ref_key_id = bytes.fromhex(accept_object["ref"].split(":")[2])
    assert format_ref(ref, ref_key_id, stack.engine.keyring.mac_ref) == accept_object["ref"]


@pytest.mark.parametrize("name", ["no_layers", "unsealed_padme", "asset_uri_unsealed", "mapped_task_unsealed"])
def test_object_without_seal_is_written_byte_for_byte(load, to_address, name):
    vector = load("accept", "object")[name]
    layers = [] if name == "no_layers" else [Padme()]
    keyring = Keyring(unpack(vector["keyring"]))
    stack = Stack(layers, MemoryStore(), keyring, policy=Policy(allow_plaintext=True))
    assert stack.put(to_address(vector["address"]), vector["value"]) == vector["ref"]
    ((locator, raw),) = vector["stores"]["main"].items()
    assert b"".join(stack.engine.store.get(locator)[1]).hex() == raw


def test_rejected_object_is_refused_for_the_reason_given(reject_object, to_address):
    stack, expect = _stack(reject_object), _expected(reject_object, to_address)
    with pytest.raises(_ERRORS[reject_object["reason"]]) as caught:
        stack.get(reject_object["ref"], expect=expect)
    assert caught.type is _ERRORS[reject_object["reason"]]


def test_rejected_object_is_refused_when_it_is_streamed(reject_object, to_address):
    stack, expect, target = _stack(reject_object), _expected(reject_object, to_address), io.BytesIO()
    bytes_are_genuine = reject_object["reason"] == "json"
    with nullcontext() if bytes_are_genuine else pytest.raises(_ERRORS[reject_object["reason"]]):
        stack.get_into(reject_object["ref"], target, expect=expect)
    assert bytes_are_genuine or not target.getvalue()


def test_every_reason_has_a_vector(reasons):
    assert reasons("object") == _ERRORS.keys()
