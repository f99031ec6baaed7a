"""What a stack stores today, the independent reader opens with the keyring document alone.

Of the tests of the reader these alone import the code that writes.
"""

from __future__ import annotations

import io
import json
import random  # noqa: TID251 - seeded, for bytes that do not compress

import pytest

from independent.address import Address
from independent.notation import RefusedError
from independent.reader import read_by_address, read_by_ref
from lamella.errors import LamellaError
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
    "several_parts": _NOISE.hex(),
    "several_runs": "lamella " * 300_000,
}
_JSON_TEXTS = {
    "white_space": b" \n\t\r1 ",
    "form_feed": b"\x0c1",
    "no_break_space": b"\xc2\xa01",
    "two_texts": b"1 2",
    "leading_zero": b"01",
    "negative_zero": b"[-0, -0.0]",
    "most_digits": b"9" * 4_300,
    "more_digits": b"9" * 4_301,
    "exponent_without_fraction": b"1e5",
    "beyond_binary64": b"1e309",
    "below_binary64": b"1e-400",
    "nan": b"NaN",
    "infinity": b"-Infinity",
    "arabic_digit": "\u0663".encode(),
    "escaped_surrogates": rb'"\ud800 \ud83d\ude00 \ude00\ud83d"',
    "encoded_surrogate": b'"\xed\xa0\x80"',
    "control_character": b'"\x01"',
    "byte_order_mark": b"\xef\xbb\xbf1",
    "utf_16": "1".encode("utf-16-le"),
    "equal_names": b'{"a":1,"b":2,"a":3}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
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


def _verdict(read):
    try:
        return json.dumps(read())
    except RefusedError as refused:
        return refused.error
    except LamellaError as refused:
        return type(refused).__name__


@pytest.mark.parametrize("text", _JSON_TEXTS.values(), ids=_JSON_TEXTS)
def test_json_text_means_the_same_to_both_readers(build, writer_keyring, document, text):
    store = MemoryStore()
    stack = build("", store, keyring=writer_keyring)
    ref = stack.put_stream(_ADDRESSES[0][0], io.BytesIO(text))
    ((locator, stored),) = _objects(store).items()
    codec_at = 7 + int.from_bytes(stored[5:7], "big")
    as_json = stored[:codec_at] + b"\x00" + stored[codec_at + 1 :]
    store.put(locator, [as_json])
    expected = _verdict(lambda: read_by_ref(ref, document, {"main": {locator: as_json}}, 0).value)
    assert _verdict(lambda: stack.get(ref)) == expected
