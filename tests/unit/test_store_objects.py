"""What the obstore stores promise beyond the contract."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import urllib.request

import pytest

from lamella.errors import (
    ConfigError,
    LimitExceededError,
    ObjectNotFoundError,
    StoreConflictError,
    StoreError,
)
from lamella.protocols.store import ABSENT
from lamella_layers.store import obstore_errors
from lamella_layers.store.object_store import FileObjectStore, S3ObjectStore

_LOCATOR = "o1/scope/-1/key"
_FORK = """
import os, sys
from lamella_layers.store.object_store import FileObjectStore
store = FileObjectStore(sys.argv[1])
child = os.fork()
store.put(f"o1/{'child' if child == 0 else 'parent'}", (b"there",))
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert sorted(each.locator for each in store.list("o1/")) == ["o1/child", "o1/parent"]
"""


@pytest.fixture
def on_moto(conditional_s3_server):
    return {**conditional_s3_server, "prefix": os.urandom(8).hex(), "allow_http": True}


@pytest.fixture
def on_rclone(s3_server):
    return {**s3_server, "prefix": os.urandom(8).hex(), "allow_http": True}


def attempts(store):
    return {
        "put": lambda: store.put(_LOCATOR, (b"new",)),
        "upload": lambda: store.put(_LOCATOR, (bytes(1024 * 1024) for _ in range(9))),
        "get": lambda: store.get(_LOCATOR),
        "delete": lambda: store.delete(_LOCATOR),
        "list": lambda: list(store.list("o1/")),
    }


@pytest.mark.parametrize("method", ["put", "upload", "get", "delete", "list"])
def test_missing_bucket_is_a_store_error(on_moto, method):
    store = S3ObjectStore(**{**on_moto, "bucket": "missing-bucket"})
    with pytest.raises(StoreError) as caught:
        attempts(store)[method]()
    assert type(caught.value) is StoreError
    assert "no such bucket" in str(caught.value)


@pytest.mark.parametrize("method", ["put", "upload", "get", "delete", "list"])
def test_wrong_credentials_are_a_store_error_without_the_secret(on_rclone, method):
    store = S3ObjectStore(**{**on_rclone, "secret_access_key": "canary-secret"})
    with pytest.raises(StoreError) as caught:
        attempts(store)[method]()
    assert type(caught.value) is StoreError
    assert "access was denied" in str(caught.value)
    assert caught.value.__cause__ is not None
    assert "canary" not in f"{caught.value} {caught.value.__cause__} {store!r}"


def test_settings_of_the_environment_are_used(on_moto, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", on_moto["endpoint"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", on_moto["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", on_moto["secret_access_key"])
    store = S3ObjectStore(on_moto["bucket"], on_moto["prefix"], allow_http=True)
    store.put(_LOCATOR, (b"there",))
    assert b"".join(S3ObjectStore(**on_moto).get(_LOCATOR)[1]) == b"there"


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_REGION"])
def test_line_end_of_a_secret_file_in_the_environment_is_a_config_error(monkeypatch, name):
    monkeypatch.setenv(name, "canary\n")
    with pytest.raises(ConfigError, match=f"{name} holds a space, a line end") as caught:
        S3ObjectStore("bucket")
    assert "canary" not in str(caught.value)


def test_source_that_uses_obstore_itself_is_told_what_to_do(tmp_path):
    store = FileObjectStore(tmp_path)
    store.put(_LOCATOR, (b"there",))
    sources = (bytes(1024 * 1024) if number < 12 else b"".join(store.get(_LOCATOR)[1]) for number in range(13))
    with pytest.raises(StoreError, match="copy that to a file first"):
        store.put("o1/scope/-1/other", sources)
    assert [each.locator for each in store.list("o1/")] == [_LOCATOR]


@pytest.mark.parametrize("name", [".keep", "UPPER", "x" * 200])
def test_objects_of_other_programs_are_not_listed(on_moto, name):
    store = S3ObjectStore(**on_moto)
    store.put(_LOCATOR, (b"there",))
    url = f"{on_moto['endpoint']}/{on_moto['bucket']}/{on_moto['prefix']}/o1/scope/-1/{name}"
    urllib.request.urlopen(urllib.request.Request(url, b"theirs", method="PUT")).close()  # noqa: S310 - its own server
    assert [each.locator for each in store.list("o1/")] == [_LOCATOR]


def test_prefixes_keep_stores_of_one_bucket_apart(on_moto):
    S3ObjectStore(**on_moto).put(_LOCATOR, (b"there",))
    other = S3ObjectStore(**{**on_moto, "prefix": f"{on_moto['prefix']}-other"})
    assert list(other.list("o1/")) == []
    with pytest.raises(ObjectNotFoundError):
        other.get(_LOCATOR)


def test_upload_that_breaks_leaves_no_parts_behind(on_moto):
    def source():
        for _ in range(20):
            yield bytes(1024 * 1024)
        raise FileNotFoundError("of the source")

    with pytest.raises(FileNotFoundError, match="of the source"):
        S3ObjectStore(**on_moto).put(_LOCATOR, source())
    with urllib.request.urlopen(f"{on_moto['endpoint']}/{on_moto['bucket']}?uploads") as answer:  # noqa: S310 - its own server
        assert on_moto["prefix"].encode() not in answer.read()


def test_large_object_is_created_under_a_condition(on_moto):
    store = S3ObjectStore(**on_moto)
    body = os.urandom(9 * 1024 * 1024)
    store.put(_LOCATOR, (body,), if_version=ABSENT)
    assert b"".join(store.get(_LOCATOR)[1]) == body
    with pytest.raises(StoreConflictError):
        store.put(_LOCATOR, (body,), if_version=ABSENT)


def test_object_too_large_for_a_condition_is_refused_before_it_is_joined(on_moto):
    segment = memoryview(bytes(1024 * 1024))
    with pytest.raises(LimitExceededError, match="'chunk'"):
        S3ObjectStore(**on_moto).put(_LOCATOR, (segment for _ in range(257)), if_version=ABSENT)


def test_object_of_too_many_parts_is_refused(on_moto):
    class SmallStore(S3ObjectStore):
        max_object_bytes = 9_000_000

    store = SmallStore(**on_moto)
    with pytest.raises(LimitExceededError, match="9000000"):
        store.put(_LOCATOR, (bytes(1_000_000) for _ in range(10)))
    with pytest.raises(ObjectNotFoundError):
        store.get(_LOCATOR)


def test_missing_obstore_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("lamella_layers.store.obstore_store.find_spec", lambda _: None)
    for make in (lambda: FileObjectStore(tmp_path), lambda: S3ObjectStore("bucket")):
        with pytest.raises(ConfigError, match=r"lamella\[s3\]"):
            make()


def test_folder_that_cannot_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError) as caught:
        FileObjectStore(tmp_path / "file" / "store").put(_LOCATOR, (b"new",))
    assert not caught.value.transient
    assert "ENOTDIR" in str(caught.value)


def test_file_in_the_place_of_a_folder_is_a_store_error_that_says_what_to_check(tmp_path):
    (tmp_path / "o1").write_bytes(b"")
    with pytest.raises(StoreError, match=r"failed with E[A-Z]+; check the folder's"):
        FileObjectStore(tmp_path).put(_LOCATOR, (b"new",))


def test_refusal_says_with_which_status():
    from obstore.exceptions import GenericError  # noqa: PLC0415 - as lazily as the store itself

    with pytest.raises(StoreError, match="with HTTP status 400"), obstore_errors.mapped(_LOCATOR):
        raise GenericError("Server returned non-2xx status code: 400 Bad Request")


_GET = """
import sys
from lamella_layers.store.object_store import FileObjectStore
FileObjectStore(sys.argv[1]).get(sys.argv[2])
"""


@pytest.mark.parametrize("name", ["pipe", "link"])
def test_planted_pipe_blocks_no_read(tmp_path, name):
    folder = tmp_path / "o1"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    # In a process of its own, since a read that blocks below obstore cannot be broken off.
    reader = subprocess.run(
        [sys.executable, "-c", _GET, tmp_path, f"o1/{name}"], capture_output=True, timeout=20, check=False
    )
    assert b"StoreError" in reader.stderr


def test_store_that_was_used_works_in_a_spawned_process(tmp_path):
    store = FileObjectStore(tmp_path)
    store.put("o1/parent", (b"there",))
    child = multiprocessing.get_context("spawn").Process(target=store.put, args=("o1/child", (b"there",)))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert sorted(each.locator for each in store.list("o1/")) == ["o1/child", "o1/parent"]


def test_store_that_was_not_used_yet_works_on_both_sides_of_a_fork(tmp_path):
    subprocess.run([sys.executable, "-c", _FORK, str(tmp_path)], check=True, timeout=60)


@pytest.mark.parametrize(
    ("answer", "transient"),
    [
        ("Generic S3 error: HTTP error: error sending request", True),
        ("Server returned non-2xx status code: 503 Slow Down", True),
        ("Server returned non-2xx status code: 429 Too Many Requests", True),
        ("Server returned non-2xx status code: 408 Request Timeout", True),
        ("Server returned non-2xx status code: 403 Forbidden", False),
        ("Server returned non-2xx status code: 404 Not Found", False),
        ("Generic LocalFileSystem error: Unable to open file: No space left on device (os error 28)", False),
        ("Generic LocalFileSystem error: Unable to open file: Too many open files (os error 24)", True),
    ],
)
def test_answer_says_whether_a_retry_may_help(answer, transient):
    from obstore.exceptions import GenericError  # noqa: PLC0415 - as lazily as the store itself

    with pytest.raises(StoreError) as caught, obstore_errors.mapped(_LOCATOR):
        raise GenericError(answer)
    assert caught.value.transient is transient
