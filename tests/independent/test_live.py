"""What a stack stores today, the independent reader opens with the keyring document alone.

Of the tests of the reader these alone import the code that writes.
"""

from __future__ import annotations

import io
import json
import random

import pytest
from independent.address import Address
from independent.reader import read_by_address, read_by_ref

from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.scope import Address as WrittenAddress
from lamella.scope import AssetScope, TaskScope, XComScope
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore

__all__ = []

_SEALED = 200
_ORDERS = {
    "": 0,
    "zstd": 0,
    "chunk": 0,
    "zstd | chunk | padme": 0,
    "cobblestone256": _SEALED,
    "zstd | padme | cobblestone256 | chunk": _SEALED,
    "zstd | padme | chunk | cobblestone256": _SEALED,
    "chunk | zstd | cobblestone256": _SEALED,
    "zstd | cobblestone256 | chunk | padme | cobblestone256": _SEALED,
}
_TASK = (("dag_id", "etl"), ("run_id", "r\u00e9sum\u00e9"), ("task_id", "load"))
_ADDRESSES = [
    (
        WrittenAddress(TaskScope("etl", "r\u00e9sum\u00e9", "load", 7), "cursor"),
        Address("task", _TASK, 7, "cursor"),
    ),
    (
        WrittenAddress(XComScope("etl", "r\u00e9sum\u00e9", "load", region_id="loop", region_index=3), ""),
        Address("xcom", (*_TASK, ("region_id", "loop"), ("region_index", "3")), -1, ""),
    ),
    (WrittenAddress(AssetScope(asset_id=7), "\U0001f5dd"), Address("asset", (("asset_id", "7"),), -1, "\U0001f5dd")),
]
_NOISE = random.Random(1).randbytes(200_000)
_VALUES = {
    "null": None,
    "corners": {"integer": 2**70, "float": -1.5e-300, "text": "\u0000\U0001f5dd", "nested": [[], {}, [True, False]]},
    "incompressible": _NOISE.hex(),
    "more_than_one_run": "lamella " * 300_000,
}


@pytest.fixture
def writer_keyring(keyring_file):
    return Keyring.open(FileKeyProvider(keyring_file))


@pytest.fixture
def document(keyring_file):
    return keyring_file.read_text(encoding="ascii")


def _objects(store):
    rows = [row for prefix in ("o1/", "p1/") for row in store.list(prefix)]
    return {row.locator: b"".join(store.get(row.locator)[1]) for row in rows}


@pytest.mark.parametrize(("written_at", "address"), _ADDRESSES, ids=["task", "xcom", "asset"])
@pytest.mark.parametrize("value", _VALUES.values(), ids=_VALUES)
@pytest.mark.parametrize(("order", "required"), _ORDERS.items())
def test_value_of_a_stack_is_read_by_its_ref_and_by_its_address(  # noqa: PLR0913 - pairs of parameters, and fixtures
    build, writer_keyring, document, order, required, value, written_at, address
):
    store = MemoryStore()
    ref = build(order, store, keyring=writer_keyring).put(written_at, value)
    stores = {"main": _objects(store)}
    by_ref = read_by_ref(ref, document, stores, required, address)
    assert by_ref == read_by_address(address, document, stores, required)
    assert by_ref.address == address
    assert json.dumps(by_ref.value) == json.dumps(value)


@pytest.mark.parametrize(("order", "required"), _ORDERS.items())
def test_bytes_of_a_stack_are_read_as_they_are(build, writer_keyring, document, order, required):
    store = MemoryStore()
    written_at, address = _ADDRESSES[0]
    ref = build(order, store, keyring=writer_keyring).put_stream(written_at, io.BytesIO(_NOISE))
    assert read_by_ref(ref, document, {"main": _objects(store)}, required, address).value == _NOISE


def test_split_value_of_a_stack_has_parts_beside_its_head(build, writer_keyring):
    store = MemoryStore()
    build("chunk | zstd | cobblestone256", store, keyring=writer_keyring).put(_ADDRESSES[0][0], _NOISE.hex())
    assert [locator[:3] for locator in sorted(_objects(store))] == ["o1/"] + ["p1/"] * (400_000 // 2**16 + 1)


def test_value_inside_a_ref_is_read_from_the_ref_alone(build, writer_keyring, document):
    written_at, address = _ADDRESSES[0]
    stack = build("zstd | padme | cobblestone256", InlineStore(), keyring=writer_keyring)
    ref = stack.put(written_at, {"cursor": 42})
    assert read_by_ref(ref, document, {"main": None}, _SEALED, address).value == {"cursor": 42}
