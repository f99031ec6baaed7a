"""What a store promises of versions, and of writes under a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamella.errors import ObjectNotFoundError, StoreConflictError, StoreError
from lamella.protocols.store import ABSENT, Version
from lamella.testing.store_objects import any_locator, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.protocols.store import Store

__all__ = ["ConditionContract"]

_SIZE_BYTES = 65_536


class ConditionContract:
    """`if_version`, in one thread; a store without conditions refuses them all."""

    def test_condition_is_refused_where_it_would_be_ignored(self, store: Store) -> None:
        locator = any_locator()
        if store.conditional_put:
            store.put(locator, (b"new",), if_version=ABSENT)
            assert read(store, locator) == b"new"
            return
        version = store.put(locator, (b"old",))
        attempts: list[Callable[[], object]] = [
            lambda: store.put(locator, (b"new",), if_version=version),
            lambda: store.put(any_locator(), (b"new",), if_version=ABSENT),
            lambda: store.delete(locator, if_version=version),
        ]
        for attempt in attempts:
            with pytest.raises(StoreError):
                attempt()
        assert read(store, locator) == b"old"

    def test_create_refuses_an_object_that_is_there(self, store: Store) -> None:
        if store.conditional_put:
            locator = any_locator()
            store.put(locator, (b"first",), if_version=ABSENT)
            with pytest.raises(StoreConflictError) as caught:
                store.put(locator, (b"second",), if_version=ABSENT)
            assert caught.value.locator == locator
            assert read(store, locator) == b"first"

    def test_object_is_created_again_once_deleted(self, store: Store) -> None:
        if store.conditional_put:
            locator = any_locator()
            store.put(locator, (b"first",), if_version=ABSENT)
            store.delete(locator)
            store.put(locator, (b"second",), if_version=ABSENT)
            assert read(store, locator) == b"second"

    def test_update_needs_the_version_that_is_stored(self, store: Store) -> None:
        if store.conditional_put:
            locator = any_locator()
            stale = store.put(locator, (b"first",))
            current = store.put(locator, (b"second",), if_version=stale)
            with pytest.raises(StoreConflictError):
                store.put(locator, (b"third",), if_version=stale)
            assert read(store, locator) == b"second"
            store.put(locator, (b"third",), if_version=current)
            assert read(store, locator) == b"third"

    def test_update_of_nothing_is_refused(self, store: Store) -> None:
        if store.conditional_put:
            locator = any_locator()
            version = store.put(locator, (b"first",))
            store.delete(locator)
            with pytest.raises(StoreConflictError):
                store.put(locator, (b"second",), if_version=version)
            with pytest.raises(ObjectNotFoundError):
                store.get(locator)

    def test_delete_needs_the_version_that_is_stored(self, store: Store) -> None:
        if store.conditional_put:
            locator = any_locator()
            stale = store.put(locator, (b"first",))
            current = store.put(locator, (b"second",))
            with pytest.raises(StoreConflictError):
                store.delete(locator, if_version=stale)
            assert read(store, locator) == b"second"
            store.delete(locator, if_version=current)
            with pytest.raises(StoreConflictError):
                store.delete(locator, if_version=current)

    def test_version_of_another_store_matches_nothing(self, store: Store) -> None:
        if store.conditional_put:
            locator = any_locator()
            store.put(locator, (b"first",))
            with pytest.raises(StoreConflictError):
                store.put(locator, (b"second",), if_version=Version("no-such-version"))
            assert read(store, locator) == b"first"

    def test_get_returns_the_version_that_put_returned(self, store: Store) -> None:
        locator = any_locator()
        for body in (b"", b"short", b"x" * 3_000_000):
            assert store.put(locator, (body,)) == store.get(locator)[0]

    def test_version_stays_while_nobody_writes(self, store: Store, reopen: Callable[[], Store]) -> None:
        locator = any_locator()
        version = store.put(locator, (b"first",))
        assert [store.get(locator)[0], reopen().get(locator)[0]] == [version, version]

    def test_versions_differ_when_one_late_byte_differs(self, store: Store) -> None:
        if store.conditional_put:
            locator = any_locator()
            start = bytes(_SIZE_BYTES - 1)
            versions = [store.put(locator, (start, bytes((last,)))) for last in range(40)]
            assert len(set(versions)) == len(versions)
