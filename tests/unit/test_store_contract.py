"""The store contract fails for stores that break it."""

from __future__ import annotations

import time
from functools import partial
from itertools import islice

import pytest

from lamella.errors import ObjectNotFoundError, StoreConflictError, StoreUnavailableError
from lamella.protocols.store import ABSENT, Version
from lamella.testing import StoreContract
from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.memory import MemoryStore


class AnotherVersion(MemoryStore):
    def get(self, locator):
        version, payload = super().get(locator)
        return Version(f"{version} or so"), payload


class WithoutConditions(MemoryStore):
    def put(self, locator, source, *, if_version=None):
        del if_version
        return super().put(locator, source)


class CheckedBefore(MemoryStore):
    """Asks for the version, and writes later."""

    def put(self, locator, source, *, if_version=None):
        body = b"".join(source)
        if if_version is not None and self._version(locator) != if_version:
            raise StoreConflictError("it is at another version", locator=locator)
        time.sleep(0.001)  # Lets another thread in, which a busy machine may not do by itself.
        return super().put(locator, (body,))

    def _version(self, locator):
        try:
            return super().get(locator)[0]
        except ObjectNotFoundError:
            return ABSENT


class Shortened(MemoryStore):
    def get(self, locator):
        version, payload = super().get(locator)
        return version, (segment for number, segment in enumerate(payload) if number < 15)


class FirstPage(MemoryStore):
    def list(self, prefix):
        return (each for number, each in enumerate(super().list(prefix)) if number < 1000)


class Late(MemoryStore):
    """Reads the bytes when they are asked for, not when their version is."""

    def get(self, locator):
        version, _ = super().get(locator)
        return version, self._late(locator)

    def _late(self, locator):
        yield from MemoryStore.get(self, locator)[1]


class Abbreviating(MemoryStore):
    def put(self, locator, source, *, if_version=None):
        return super().put(locator[:128], source, if_version=if_version)

    def get(self, locator):
        return super().get(locator[:128])


class CheckedBeforeItDeletes(MemoryStore):
    def delete(self, locator, *, if_version=None):
        if if_version is not None and self.get(locator)[0] != if_version:
            raise StoreConflictError("it is at another version", locator=locator)
        time.sleep(0.001)  # Lets another thread in, which a busy machine may not do by itself.
        super().delete(locator)


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (AnotherVersion, StoreContract.test_get_returns_the_version_that_put_returned),
        (AnotherVersion, StoreContract.test_threads_lose_no_conditional_update),
        (WithoutConditions, StoreContract.test_update_needs_the_version_that_is_stored),
        (CheckedBefore, StoreContract.test_one_of_many_creators_wins),
        (Shortened, StoreContract.test_object_of_many_segments_is_read_back),
        (FirstPage, StoreContract.test_listing_names_each_object_once),
        (Late, partial(StoreContract.test_stream_ends_with_the_write_that_its_version_is_of, pulled=0)),
        (Abbreviating, StoreContract.test_longest_locators_are_told_apart_by_their_last_character),
        (CheckedBeforeItDeletes, StoreContract.test_delete_under_a_condition_takes_no_later_write),
    ],
)
def test_store_that_breaks_the_contract_fails_its_test(wrong, test):
    with pytest.raises((AssertionError, ObjectNotFoundError, pytest.fail.Exception)):
        test(StoreContract(), wrong())


def test_listing_is_proved_beyond_the_page_that_the_suite_is_told_of():
    class FirstLongPage(MemoryStore):
        def list(self, prefix):
            return islice(super().list(prefix), 2000)

    class OfLongPages(StoreContract):
        page_objects = 2000

    StoreContract().test_listing_names_each_object_once(FirstLongPage())
    with pytest.raises(AssertionError):
        OfLongPages().test_listing_names_each_object_once(FirstLongPage())


def away(silent):
    """Make a store whose server is away, which one of the methods takes for an empty one."""
    store = MemoryStore()

    def fail(*_, **__):
        raise StoreUnavailableError("it does not answer")

    for method in {"put", "get", "delete", "list"} - {silent}:
        setattr(store, method, fail)
    return store


def test_store_of_one_process_may_be_made_anew_in_a_forked_child(tmp_path):
    class OfOneProcess(DirectoryStore):
        fork_safe = False

    def reopen():
        return OfOneProcess(tmp_path)

    StoreContract().test_instance_made_in_a_forked_child_works_or_is_refused(reopen(), reopen)


@pytest.mark.parametrize("silent", ["put", "get", "delete", "list"])
def test_server_that_is_away_must_not_look_empty(silent):
    with pytest.raises((ObjectNotFoundError, pytest.fail.Exception)):
        StoreContract().test_server_that_does_not_answer_is_unavailable(away(silent))


def test_server_that_is_away_and_says_so_keeps_the_contract():
    StoreContract().test_server_that_does_not_answer_is_unavailable(away(None))
