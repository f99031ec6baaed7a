"""How stores are named: their URLs and options."""

from __future__ import annotations

import pytest

from lamella.errors import ConfigError, ObjectNotFoundError
from lamella.testing import FaultyStore
from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore
from lamella_layers.store.object_store import FileObjectStore, S3ObjectStore
from lamella_layers.store.sqlite import SqliteStore

_KEYS = {"access_key_id": "id", "secret_access_key": "canary-secret"}


@pytest.mark.parametrize(
    ("kind", "url", "options"),
    [
        (MemoryStore, "memory://", {}),
        (InlineStore, "inline://", {}),
        (DirectoryStore, "directory://relative/folder", {}),
        (DirectoryStore, "directory:///absolute", {"fsync": "full"}),
        (SqliteStore, "sqlite:///relative.db", {}),
        (SqliteStore, "sqlite:////absolute.db", {"synchronous": "off", "busy_timeout_ms": "0"}),
        (SqliteStore, "sqlite:////absolute.db", {"max_object_bytes": "999000000"}),
        (FileObjectStore, "file:///absolute", {}),
        (S3ObjectStore, "s3://bucket", {}),
        (S3ObjectStore, "s3://bucket/a/prefix/", {"region": "eu-west-1", "virtual_hosted_style": "true"}),
        (S3ObjectStore, "s3://bucket", {"endpoint": "http://[::1]:1", "allow_http": "true", **_KEYS}),
        (S3ObjectStore, "s3://bucket", {"conditional_put": "false"}),
    ],
)
def test_url_names_a_store_without_opening_it(kind, url, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(kind.from_url(url, options), kind)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (MemoryStore, "memory://x"),
        (MemoryStore, "memory"),
        (InlineStore, "inline://x"),
        (DirectoryStore, "directory://"),
        (DirectoryStore, "file:///x"),
        (DirectoryStore, "directory:///x\0y"),
        (SqliteStore, "sqlite://"),
        (SqliteStore, "sqlite:///"),
        (SqliteStore, "sqlite://state.db"),
        (FileObjectStore, "file://"),
        (FileObjectStore, "file://relative"),
        (S3ObjectStore, "s3://"),
        (S3ObjectStore, "s3:///prefix"),
        (FaultyStore, "faulty://"),
    ],
)
def test_url_of_another_shape_is_refused(kind, url):
    with pytest.raises(ConfigError):
        kind.from_url(url, {})


@pytest.mark.parametrize(
    ("kind", "url", "known"),
    [
        (MemoryStore, "memory://", "none"),
        (InlineStore, "inline://", "none"),
        (DirectoryStore, "directory:///x", "fsync"),
        (SqliteStore, "sqlite:////x", "busy_timeout_ms, max_object_bytes, synchronous"),
        (FileObjectStore, "file:///x", "none"),
        (S3ObjectStore, "s3://x", "access_key_id, allow_http, conditional_put, endpoint, region"),
    ],
)
def test_unknown_option_is_refused_and_the_known_ones_are_named(kind, url, known):
    with pytest.raises(ConfigError, match=f"'fsink'.*: {known}"):
        kind.from_url(url, {"fsink": "file"})


@pytest.mark.parametrize(
    ("kind", "url", "options", "fix"),
    [
        (DirectoryStore, "directory:///x", {"fsync": "yes"}, "off, file, full"),
        (SqliteStore, "sqlite:////x", {"synchronous": "1"}, "full, normal, off"),
        (SqliteStore, "sqlite:////x", {"busy_timeout_ms": "5s"}, "whole number"),
        (SqliteStore, "sqlite:////x", {"busy_timeout_ms": "-1"}, "whole number"),
        (SqliteStore, "sqlite:////x", {"busy_timeout_ms": "99999999"}, "from 0 to"),
        (SqliteStore, "sqlite:////x", {"max_object_bytes": "0"}, "from 1 to 999000000"),
        (SqliteStore, "sqlite:////x", {"max_object_bytes": "999000001"}, "from 1 to 999000000"),
        (SqliteStore, "sqlite:////x", {"max_object_bytes": "9" * 5000}, "at most 9 digits"),
        (S3ObjectStore, "s3://x", {"allow_http": "1"}, "'true' or 'false'"),
        (S3ObjectStore, "s3://x", {"access_key_id": "id"}, "secret_access_key"),
        (S3ObjectStore, "s3://x", {"secret_access_key": "canary-secret"}, "access_key_id"),
        (S3ObjectStore, "s3://x", {"endpoint": "http://host", **_KEYS}, "allow_http"),
        (S3ObjectStore, "s3://x", {"endpoint": "minio:9000", **_KEYS}, "a URL of a host"),
        (S3ObjectStore, "s3://x", {"endpoint": "https://", **_KEYS}, "a URL of a host"),
        (S3ObjectStore, "s3://x", {"endpoint": "https://exa%20mple", **_KEYS}, "a URL of a host"),
        (S3ObjectStore, "s3://x", {"endpoint": "https://host:99999", **_KEYS}, "a URL of a host"),
        (S3ObjectStore, "s3://x", {"endpoint": "https://me:canary-secret@host", **_KEYS}, "a URL of a host"),
        (S3ObjectStore, "s3://my bucket/x", {}, "needs a bucket, of letters"),
        (S3ObjectStore, "s3://x", {"region": "eu-west-1\n"}, "region holds a space, a line end"),
        (S3ObjectStore, "s3://x", {"session_token": "canary-secret\n"}, "session_token holds a space, a line end"),
        (S3ObjectStore, "s3://x/../y", {}, "component of the prefix"),
        (S3ObjectStore, "s3://x/a//b", {}, "component of the prefix"),
    ],
)
def test_bad_value_is_refused_with_the_fix(kind, url, options, fix):
    with pytest.raises(ConfigError, match=fix) as caught:
        kind.from_url(url, options)
    assert "canary" not in str(caught.value)


def test_instances_of_the_memory_store_share_nothing():
    first, second = (MemoryStore.from_url("memory://", {}) for _ in range(2))
    first.put("o1/a", (b"there",))
    with pytest.raises(ObjectNotFoundError):
        second.get("o1/a")


@pytest.mark.parametrize("url", ["directory://state", "sqlite:///state.db"])
def test_relative_path_stays_where_it_was_named(url, tmp_path, monkeypatch):
    kind = DirectoryStore if url.startswith("directory") else SqliteStore
    monkeypatch.chdir(tmp_path)
    store = kind.from_url(url, {})
    monkeypatch.chdir("/")
    store.put("o1/a", (b"there",))
    store.close()
    assert [each.name for each in tmp_path.iterdir()] == [url.rpartition("/")[2]]
