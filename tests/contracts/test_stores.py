"""Every first-party store keeps the contract."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import ClassVar

import pytest

from lamella.testing import StoreContract
from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore
from lamella_layers.store.object_store import FileObjectStore, S3ObjectStore
from lamella_layers.store.sqlite import SqliteStore


class _FirstPartyContract(StoreContract):
    """One class of stores; `reopen` builds them, and `store` is the first of them."""

    kind: ClassVar[type]

    @pytest.fixture
    def store(self, reopen):
        store = reopen()
        yield store
        store.close()


class TestMemoryStore(_FirstPartyContract):
    kind = MemoryStore
    shared = False

    @pytest.fixture
    def reopen(self):
        store = MemoryStore()
        return lambda: store


class TestDirectoryStore(_FirstPartyContract):
    kind = DirectoryStore

    @pytest.fixture
    def reopen(self, tmp_path):
        return lambda: DirectoryStore(tmp_path / "store")


class TestSqliteStore(_FirstPartyContract):
    kind = SqliteStore

    @pytest.fixture
    def reopen(self, tmp_path):
        return lambda: SqliteStore(tmp_path / "store.db", busy_timeout_ms=60_000)


class TestFileObjectStore(_FirstPartyContract):
    kind = FileObjectStore

    @pytest.fixture
    def reopen(self, tmp_path):
        return lambda: FileObjectStore(tmp_path / "store")


class TestS3ObjectStore(_FirstPartyContract):
    kind = S3ObjectStore
    deletes_in_one_step = False

    @pytest.fixture
    def reopen(self, conditional_s3_server):
        prefix = os.urandom(8).hex()
        return lambda: S3ObjectStore(**conditional_s3_server, prefix=prefix, allow_http=True)

    @pytest.fixture
    def unreachable(self, conditional_s3_server):
        return S3ObjectStore(**{**conditional_s3_server, "endpoint": "http://127.0.0.1:9"}, allow_http=True)


class TestS3ObjectStoreWithoutConditions(_FirstPartyContract):
    kind = S3ObjectStore

    @pytest.fixture
    def reopen(self, s3_server):
        prefix = os.urandom(8).hex()
        return lambda: S3ObjectStore(**s3_server, prefix=prefix, allow_http=True, conditional_put=False)


def test_every_store_of_this_distribution_but_the_inline_one_is_proved_here():
    registered = {
        entry.load() for entry in entry_points(group="lamella.stores") if entry.value.startswith("lamella_layers.")
    }
    assert registered - {InlineStore} <= {proved.kind for proved in _FirstPartyContract.__subclasses__()}
    assert InlineStore in registered


def test_every_registered_name_is_the_scheme_of_its_store():
    for entry in entry_points(group="lamella.stores"):
        assert entry.load().scheme == entry.name
