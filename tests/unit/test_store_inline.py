"""The store that is none."""

from __future__ import annotations

import pytest

from lamella.errors import StoreError
from lamella_layers.store.inline import InlineStore


def test_inline_store_says_that_it_keeps_nothing():
    store = InlineStore()
    abilities = (store.in_ref, store.conditional_put, store.lists, store.streams, store.fork_safe)
    assert abilities == (True, False, False, False, True)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.put("o1/a", (b"canary",)),
        lambda store: store.get("o1/a"),
        lambda store: store.delete("o1/a"),
        lambda store: store.list("o1/"),
    ],
)
def test_every_call_of_the_inline_store_is_refused(call):
    with pytest.raises(StoreError, match="in its ref") as caught:
        call(InlineStore())
    assert "canary" not in str(caught.value)
