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

from lamella.testing.store_concurrency import ConcurrencyContract
from lamella.testing.store_conditions import ConditionContract
from lamella.testing.store_listing import ListingContract
from lamella.testing.store_objects import ObjectContract

__all__ = ["StoreContract"]


class StoreContract(ObjectContract, ConditionContract, ListingContract, ConcurrencyContract):
    """What every `Store` promises, as far as its class attributes say that it does.

    Give it two fixtures: `store`, an empty store, and `reopen`, which builds a further instance over the same data as
    another process would. Set `shared` to false for a store that lives in the memory of one process, whose `reopen`
    returns the same instance.
    """
