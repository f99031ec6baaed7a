"""Nothing that leaves a stack but the value holds the value, a name or a key: stores, refs, errors, logs and reprs."""

from __future__ import annotations

import base64
import io
import logging
import traceback
from itertools import chain, permutations

import pytest

from lamella.errors import InvalidValueError, LamellaError
from lamella.keys import edit
from lamella.keys.keyring import Keyring
from lamella.policy import Policy
from lamella.scope import Address, AssetScope, TaskScope
from lamella.testing import FaultyStore
from lamella.testing.store_objects import objects
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore

NAMES = ("zstd", "padme", "cobblestone256", "chunk")
ORDERS = [
    " | ".join(order) for count in range(1, 5) for order in permutations(NAMES, count) if "cobblestone256" in order
]
SIZES = (0, 1, 100, 255, 4096, 16_384, 65_536)
VALUE = "value-canary-d41f"
TEXTS = (VALUE, "dag-canary-87aa", "run-canary-19c0", "task-canary-55e1", "key-canary-3b7d", "asset-canary-90ef")
ADDRESSES = (
    Address(TaskScope(*TEXTS[1:4]), TEXTS[4]),
    Address(AssetScope(uri=TEXTS[5]), TEXTS[4]),
)
RECORD = edit.keygen("canaries", created_at=1)


class Watched(Keyring):
    """Remembers the key of every value."""

    __slots__ = ("seen",)

    def __init__(self, record):
        super().__init__(record)
        self.seen = []

    def new_value_key(self, first_segment):
        made = super().new_value_key(first_segment)
        self.seen.append(made.key)
        return made


def _forms(keys):
    """Give every canary as it could stand in bytes or text."""
    for text in TEXTS:
        yield text.encode()
        yield text.encode().hex().encode()
    for key in (*keys, *(each.secret for each in RECORD.keys)):
        yield key
        yield key.hex().encode()
        yield base64.b64encode(key).rstrip(b"=")
        yield base64.urlsafe_b64encode(key).rstrip(b"=")
        yield repr(key)[2:-1].encode()


def _hold(found, keys):
    """Fail when a canary is found in what others may see."""
    haystack = b"\n".join(each if isinstance(each, bytes) else each.encode() for each in found)
    for form in _forms(keys):
        assert form not in haystack, f"a canary of {len(form)} bytes leaked"


def _shown(error):
    """Give all that is shown of an error, however often it was chained."""
    yield "".join(traceback.format_exception(error))
    yield from (repr(error), str(error), repr(vars(error)))


def _objects(store):
    return chain.from_iterable(objects(store).items())


@pytest.mark.parametrize("order", ORDERS)
def test_store_and_ref_hold_no_canary_whatever_the_order_and_the_size(build, order):
    keyring = Watched(RECORD)
    stack = build(order, keyring=keyring, policy=Policy())
    found = [repr(stack), repr(stack.engine), repr(keyring), repr(stack.engine.plan), repr(stack.counters)]
    for size_bytes in SIZES:
        for address in ADDRESSES:
            text = (VALUE * (size_bytes // len(VALUE) + 1))[:size_bytes]
            found.append(stack.put(address, {text: [text]}))
            found += _objects(stack.engine.store)
            found.append(stack.put_stream(address, [text.encode()]))
            found += _objects(stack.engine.store)
    assert len(keyring.seen) == 2 * len(SIZES) * len(ADDRESSES)
    _hold(found, keyring.seen)


@pytest.mark.parametrize("order", ["cobblestone256", "zstd | padme | cobblestone256"])
def test_ref_that_holds_the_object_holds_no_canary(build, order):
    keyring = Watched(RECORD)
    stack = build(order, InlineStore(), keyring=keyring, policy=Policy())
    refs = [stack.put(address, {VALUE: [VALUE * 50]}) for address in ADDRESSES]
    bodies = [base64.urlsafe_b64decode(ref.split(":")[7] + "==") for ref in refs]
    _hold([*refs, *bodies], keyring.seen)


def test_plain_stack_is_what_the_scan_would_find(build):
    stack = build("chunk", keyring=Watched(RECORD))
    stack.put(ADDRESSES[0], VALUE)
    with pytest.raises(AssertionError, match="leaked"):
        _hold(_objects(stack.engine.store), ())


@pytest.mark.parametrize("order", ["zstd | padme | cobblestone256 | chunk", "chunk | cobblestone256", "zstd | chunk"])
@pytest.mark.parametrize("size_bytes", [100, 150_000])
def test_errors_of_every_failing_step_show_no_canary(build, order, size_bytes, caplog):
    caplog.set_level(logging.DEBUG)
    keyring = Watched(RECORD)
    text = (VALUE * (size_bytes // len(VALUE) + 1))[:size_bytes]
    inner = MemoryStore()
    build(order, inner, keyring=keyring).put(ADDRESSES[0], text)
    counted = FaultyStore(inner)
    _use(build(order, counted, keyring=keyring), text)
    found = []
    for step in range(1, counted.steps + 1):
        for fault in (None, OSError("the disk"), ValueError(VALUE)):
            stack = build(order, FaultyStore(inner, fail_at=step, fault=fault), keyring=keyring)
            try:
                _use(stack, text)
            except LamellaError as error:
                found += _shown(error)
    assert found
    _hold([*found, *caplog.messages], keyring.seen)


def _use(stack, text):
    stack.put(ADDRESSES[0], text)
    stack.get_at(ADDRESSES[0])
    stack.delete(ADDRESSES[0])


@pytest.mark.parametrize(
    "order", ["zstd | padme | cobblestone256 | chunk", "cobblestone256 | zstd", "zstd | padme", ""]
)
def test_errors_over_damaged_objects_show_no_canary(build, order, caplog):
    caplog.set_level(logging.DEBUG)
    keyring = Watched(RECORD)
    stack = build(order, keyring=keyring)
    ref = stack.put(ADDRESSES[0], [VALUE * 3])
    locator = stack.engine.place(ADDRESSES[0]).head
    body = b"".join(stack.engine.store.get(locator)[1])
    found = []
    for at in range(len(body)):
        for changed in (body[:at], body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1 :]):
            stack.engine.store.put(locator, (changed,))
            try:
                stack.get(ref)
            except LamellaError as error:
                found += _shown(error)
                found += _documents(error)
    assert found
    _hold([*found, *caplog.messages], keyring.seen)


def _documents(error):
    """Give what the errors behind an error hold of their input, as error reporters send it along."""
    while error is not None:
        for name in ("doc", "object"):
            yield repr(getattr(error, name, None))
        error = error.__context__


def test_refused_values_and_streams_are_not_shown(build):
    stack = build("zstd | padme | cobblestone256", keyring=Watched(RECORD), policy=Policy())
    found = []
    for value in ({"a": [VALUE, {VALUE}]}, [VALUE.encode()], {"b": {(VALUE,): 1}}, [float("nan"), VALUE]):
        with pytest.raises(InvalidValueError) as refused:
            stack.put(ADDRESSES[0], value)
        found += _shown(refused.value)
    with pytest.raises(InvalidValueError) as refused:
        stack.put_stream(ADDRESSES[0], io.BytesIO(VALUE.encode()), size_bytes=3)
    found += _shown(refused.value)
    ref = stack.put_stream(ADDRESSES[0], [VALUE.encode()])
    with pytest.raises(InvalidValueError, match="get_into") as refused:
        stack.get(ref)
    found += _shown(refused.value)
    _hold(found, ())


def test_refused_refs_are_not_shown(build):
    stack = build("cobblestone256", InlineStore(), keyring=Watched(RECORD), policy=Policy())
    ref = stack.put(ADDRESSES[0], VALUE)
    body = ref.split(":")[7]
    found = []
    for wrong in (ref[:-1], ref + "x", ref.replace(":task:", ":asset:"), body, ref.upper()):
        with pytest.raises(LamellaError) as refused:
            stack.get(wrong)
        found += _shown(refused.value)
    assert all(body[:20] not in each for each in found)
    _hold(found, ())
