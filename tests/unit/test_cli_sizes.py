from __future__ import annotations

import pytest

from lamella.cli.sizes import measure
from lamella.errors import IntegrityError
from lamella.scope import Address, TaskScope

ADDRESS = Address(TaskScope("payroll", "2026-11", "extract"), "cursor")
ORDERS = [
    "",
    "zstd",
    "cobblestone256",
    "zstd | padme | cobblestone256 | chunk",
    "zstd | chunk | padme | cobblestone256",
    "chunk | zstd | cobblestone256",
    "cobblestone256 | chunk",
    "chunk",
]


def _stored(stack):
    store = stack.engine.store
    return [row.size_bytes for prefix in ("o1/", "p1/") for row in store.list(prefix)]


@pytest.mark.parametrize("size_bytes", [0, 1, 300_000])
@pytest.mark.parametrize("order", ORDERS)
def test_sizes_are_those_of_what_is_stored(build, order, size_bytes):
    stack = build(order)
    content = bytes(range(256)) * (size_bytes // 256 + 1)
    ref = stack.put_stream(ADDRESS, [content[:size_bytes]])
    measured = measure(stack.engine, stack.engine.verify(ref))
    assert measured.value_bytes == size_bytes
    assert measured.stored_bytes == sum(_stored(stack))
    assert measured.part_count == len(_stored(stack)) - 1
    assert [name for name, _ in measured.layers] == [name.strip() for name in order.split("|") if name.strip()]
    assert measured.lead.address() == ADDRESS


@pytest.mark.parametrize("order", ORDERS[3:])
def test_each_layer_has_the_size_that_it_gives(build, order):
    stack = build(order)
    ref = stack.put_stream(ADDRESS, [bytes(300_000)])
    measured = measure(stack.engine, stack.engine.verify(ref))
    previous = measured.payload_bytes
    assert previous > measured.value_bytes
    for name, size in measured.layers:
        if name == "chunk":
            assert size == previous
        elif name == "zstd" and previous > 100_000 and "cobblestone256" not in order.split(name)[0]:
            assert size < previous
        else:
            assert size >= previous
        previous = size


def test_altered_object_is_refused(build):
    stack = build("zstd | cobblestone256")
    ref = stack.put(ADDRESS, {"page": 1})
    head = stack.engine.place(ADDRESS).head
    sealed = b"".join(stack.engine.store.get(head)[1])
    stack.engine.store.put(head, (sealed[:-1],))
    with pytest.raises(IntegrityError):
        measure(stack.engine, stack.engine.verify(ref))
