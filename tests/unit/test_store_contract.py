"""The store contract fails for stores that break it."""

from __future__ import annotations

import time

import pytest

from lamella.errors import ObjectNotFoundError, StoreConflictError
from lamella.protocols.store import ABSENT, Version
from lamella.testing import StoreContract
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


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (AnotherVersion, StoreContract.test_get_returns_the_version_that_put_returned),
        (AnotherVersion, StoreContract.test_threads_lose_no_conditional_update),
        (WithoutConditions, StoreContract.test_update_needs_the_version_that_is_stored),
        (CheckedBefore, StoreContract.test_one_of_many_creators_wins),
        (Shortened, StoreContract.test_object_of_many_segments_is_read_back),
        (FirstPage, StoreContract.test_listing_names_each_object_once),
    ],
)
def test_store_that_breaks_the_contract_fails_its_test(wrong, test):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test(StoreContract(), wrong())
