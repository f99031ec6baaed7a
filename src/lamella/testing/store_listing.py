"""What a store promises of `list`."""

from __future__ import annotations

import os
import time
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

import pytest

from lamella.errors import StoreError

if TYPE_CHECKING:
    from lamella.protocols.store import Store

__all__ = ["ListingContract"]

_OBJECTS = 600
_CLOCK_SECONDS = 600


def _fill(store: Store, folder: str, count: int) -> list[str]:
    locators = [f"{folder}/{index % 7}/{index:04}" for index in range(count)]
    for locator in locators:
        store.put(locator, (locator.encode(),))
    return locators


class ListingContract:
    """Listings; a store without them refuses to list.

    Attributes:
        page_objects: How many objects the server names in one answer at most.
    """

    page_objects: ClassVar[int] = 1000

    def test_store_without_listing_refuses_to_list(self, store: Store) -> None:
        if store.lists:
            assert list(store.list("o1/")) == []
            return
        with pytest.raises(StoreError):
            list(store.list("o1/"))

    def test_listing_names_each_object_once(self, store: Store) -> None:
        if store.lists:
            folder = f"o1/{os.urandom(16).hex()}"
            locators = _fill(store, folder, self.page_objects + 100)
            assert sorted(each.locator for each in store.list(f"{folder}/")) == sorted(locators)

    def test_listing_gives_size_and_time(self, store: Store) -> None:
        if store.lists:
            folder = f"p1/{os.urandom(16).hex()}"
            sizes = {f"{folder}/{size}": size for size in (0, 1, 65_536)}
            for locator, size in sizes.items():
                store.put(locator, (bytes(size),))
            listed = list(store.list(f"{folder}/"))
            assert {each.locator: each.size_bytes for each in listed} == sizes
            assert all(abs(each.modified_at - time.time()) < _CLOCK_SECONDS for each in listed)

    def test_prefix_means_that_folder_alone(self, store: Store) -> None:
        if store.lists:
            folder = f"o1/{os.urandom(16).hex()}"
            for name in ("a/x", "a/b/y", "a-/x", "a0/x", "ab/x", "b/a/x"):
                store.put(f"{folder}/{name}", (b"x",))
            listed = sorted(each.locator for each in store.list(f"{folder}/a/"))
            assert listed == [f"{folder}/a/b/y", f"{folder}/a/x"]

    def test_listing_of_an_empty_folder_is_empty(self, store: Store) -> None:
        if store.lists:
            assert list(store.list(f"o1/{os.urandom(16).hex()}/")) == []

    def test_deleted_object_is_not_listed(self, store: Store) -> None:
        if store.lists:
            folder = f"o1/{os.urandom(16).hex()}"
            kept, gone = _fill(store, folder, 2)
            store.delete(gone)
            assert [each.locator for each in store.list(f"{folder}/")] == [kept]

    @pytest.mark.parametrize("prefix", ["", "/", "o1", "o1/a", "o1//", "../", "o1/../", "o1/A/"])
    def test_what_is_no_folder_is_refused(self, store: Store, prefix: str) -> None:
        with pytest.raises(StoreError):
            list(store.list(prefix))

    def test_objects_that_stay_are_listed_once_while_others_come_and_go(self, store: Store) -> None:
        if store.lists:
            folder = f"o1/{os.urandom(16).hex()}"
            locators = _fill(store, folder, _OBJECTS)
            staying = set(locators[::2])
            listing = store.list(f"{folder}/")
            seen = Counter(each.locator for each in islice(listing, 5))
            for index, locator in enumerate(locators):
                if locator in staying:
                    store.put(locator, (b"anew",))
                else:
                    store.delete(locator)
                    store.put(f"{folder}/new/{index}", (b"new",))
            seen.update(each.locator for each in listing)
            assert {locator: seen[locator] for locator in staying} == dict.fromkeys(staying, 1)

    def test_listing_that_is_dropped_stops_nobody(self, store: Store) -> None:
        if store.lists:
            folder = f"o1/{os.urandom(16).hex()}"
            first, _ = _fill(store, folder, 2)
            listing = store.list(f"{folder}/")
            next(listing)
            store.put(first, (b"anew",))
            store.delete(first)
            del listing
            store.put(first, (b"again",))
            assert len(list(store.list(f"{folder}/"))) == 2
