"""The contract of an inner store, as a pytest class to inherit.

class TestMyStore(StoreContract):
    @pytest.fixture
    def reopen(self, tmp_path):
        return lambda: MyStore(tmp_path)

    @pytest.fixture
    def store(self, reopen):
        return reopen()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamella.errors import StoreUnavailableError
from lamella.testing.store_concurrency import ConcurrencyContract
from lamella.testing.store_conditions import ConditionContract
from lamella.testing.store_listing import ListingContract
from lamella.testing.store_objects import ObjectContract, any_locator

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.protocols.store import Store

__all__ = ["StoreContract"]


class StoreContract(ObjectContract, ConditionContract, ListingContract, ConcurrencyContract):
    """What every `Store` promises, as far as its class attributes say that it does.

    Give it two fixtures: `store`, an empty store, and `reopen`, which builds a further instance over the same data as
    another process would; and a third one, `unreachable`, where a server keeps the data. Set `shared` to false for a
    store that lives in the memory of one process, whose `reopen` returns the same instance. `ListingContract` and
    `ConcurrencyContract` list what else may be said of one.
    """

    @pytest.fixture
    def unreachable(self) -> Store | None:
        """Return a store whose server does not answer, such as one at a closed port; None without a server."""
        return None

    def test_server_that_does_not_answer_is_unavailable(self, unreachable: Store | None) -> None:
        if unreachable is not None:
            attempts: list[Callable[[], object]] = [
                lambda: unreachable.put(any_locator(), (b"x",)),
                lambda: unreachable.get(any_locator()),
                lambda: unreachable.delete(any_locator()),
                lambda: list(unreachable.list("o1/")) if unreachable.lists else unreachable.get(any_locator()),
            ]
            for attempt in attempts:
                with pytest.raises(StoreUnavailableError):
                    attempt()
