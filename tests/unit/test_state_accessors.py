from __future__ import annotations

import asyncio
import datetime as dt
import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from lamella.errors import (
    AddressError,
    ConfigError,
    InvalidValueError,
    ManifestRefusedError,
    ObjectNotFoundError,
    RefMismatchError,
    RefTagError,
    StoreError,
)
from lamella.policy import Accept, Policy
from lamella.scope import XComScope
from lamella.state import (
    AssetScope,
    AssetStateAccessor,
    BaseStateBackend,
    LayeredStateBackend,
    StateDatabase,
    TaskScope,
    TaskStateAccessor,
)
from lamella.state.loading import _CONFIGURED
from lamella.testing.plain_state_backends import MemoryStateBackend

_TASK = TaskScope("dag", "run", "task")
_TOMORROW = dt.datetime.now(dt.timezone.utc).date() + dt.timedelta(days=1)
_VALUES = [None, 0, "", "text", "lamella:1:", '{"a": 1}', {"page": 7}, [1, [2.5]], True]


class _Identity(BaseStateBackend):
    """Leaves the hooks as they are, and has nothing to delete."""

    def get(self, *_, **__): ...

    set = delete = clear = get

    async def aget(self, *_, **__): ...

    aset = adelete = aclear = aget


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAMELLA__WORKERS__STATE_BACKEND", raising=False)
    _CONFIGURED.clear()
    yield
    _CONFIGURED.clear()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.db"


@pytest.fixture
def database(path):
    return StateDatabase(path)


@pytest.fixture
def backend(build):
    return LayeredStateBackend(build("zstd | padme | cobblestone256 | chunk"))


@pytest.fixture
def task(database, backend):
    return TaskStateAccessor(_TASK, "try-1", database, backend)


def _stored(path):
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT stored FROM state")]


@pytest.mark.parametrize("kind", ["layered", "plain", "identity", "none"])
def test_accessors_return_what_was_set(database, backend, kind):
    chosen = {"layered": backend, "plain": MemoryStateBackend(), "identity": _Identity(), "none": None}[kind]
    accessors = [
        TaskStateAccessor(_TASK, "try-1", database, chosen),
        AssetStateAccessor(database, name="x", backend=chosen),
        AssetStateAccessor(database, uri="s3://x", backend=chosen),
    ]
    for accessor in accessors:
        assert accessor.get("key", "default") == "default"
        for value in _VALUES:
            accessor.set("key", value)
            assert json.dumps(accessor.get("key", "default")) == json.dumps(value)
        accessor.set("other", 1)
        accessor.delete("key")
        assert (accessor.get("key"), accessor.get("other")) == (None, 1)
        accessor.clear()
        assert accessor.get("other") is None


@pytest.mark.parametrize("scope", [AssetScope(name="x"), XComScope("dag", "run", "task")])
def test_scope_that_is_no_task_s_is_refused_before_anything_is_written(database, backend, scope):
    with pytest.raises(AddressError, match=f"takes the scope of a task, and this one is of kind '{scope.kind}'"):
        TaskStateAccessor(scope, "try-1", database, backend)


def test_database_holds_refs_and_nothing_else(task, database, backend, path):
    task.set("key", {"token": "s3cr3t"})
    AssetStateAccessor(database, name="x", backend=backend).set("key", "s3cr3t")
    assert [stored.split(":")[:2] for stored in _stored(path)] == [["lamella", "1"]] * 2
    assert b"s3cr3t" not in path.read_bytes()


def test_without_a_backend_the_database_holds_the_values(database, path):
    TaskStateAccessor(_TASK, "try-1", database).set("key", {"page": 7})
    assert _stored(path) == ['{"page":7}']


def test_configured_backend_is_the_default(database, path, keyring_file, monkeypatch):
    monkeypatch.setenv("LAMELLA__WORKERS__STATE_BACKEND", "lamella.state.LayeredStateBackend")
    monkeypatch.setenv("LAMELLA__CHAIN", "zstd | padme | cobblestone256 | memory://")
    monkeypatch.setenv("LAMELLA__KEYRING", f"file:{keyring_file}")
    accessor = TaskStateAccessor(_TASK, "try-1", database)
    accessor.set("key", {"page": 7})
    assert accessor.get("key") == {"page": 7}
    assert _stored(path)[0].startswith("lamella:1:")
    assert AssetStateAccessor(database, name="x")._backend is accessor._backend


def test_ref_without_a_backend_is_an_error_that_names_the_setting(task, database):
    task.set("key", 1)
    with pytest.raises(ConfigError, match=r"workers\.state_backend"):
        TaskStateAccessor(_TASK, "try-1", database).get("key")


def test_retry_reads_the_cursor_of_the_try_before_and_gives_it_its_ref(task, database, backend, path):
    task.set("cursor", {"page": 7})
    before = _stored(path)
    retry = TaskStateAccessor(_TASK, "try-2", database, backend)
    assert retry.get("cursor") == {"page": 7}
    retry.set("cursor", {"page": 8})
    assert _stored(path) == before
    assert task.get("cursor") == {"page": 8}


def test_value_that_is_no_json_leaves_row_and_object(task):
    task.set("key", 1)
    for value in (float("nan"), {1, 2}, b"bytes"):
        with pytest.raises(InvalidValueError):
            task.set("key", value)
    assert task.get("key") == 1


def test_set_writes_the_object_before_the_row_and_delete_removes_the_row_before_the_object(task, database, monkeypatch):
    task.set("key", 1)
    ref = database.get(_TASK, "key")

    def fail(*_, **__):
        raise StoreError("the database is gone")

    with monkeypatch.context() as patch:
        patch.setattr(database, "set", fail)
        patch.setattr(database, "delete", fail)
        patch.setattr(database, "clear", fail)
        for call in (lambda: task.set("key", 2), lambda: task.delete("key"), task.clear):
            with pytest.raises(StoreError):
                call()
    assert task.get("key") == 2
    backend = task._backend
    monkeypatch.setattr(backend, "delete", fail)
    with pytest.raises(StoreError):
        task.delete("key")
    assert task.get("key", "default") == "default"
    assert backend.deserialize_task_state_from_ref(ref) == 2


def test_row_whose_object_is_gone_raises_instead_of_the_default(task, backend):
    task.set("key", 1)
    backend.delete(_TASK, "key")
    with pytest.raises(ObjectNotFoundError):
        task.get("key", "default")


def test_refs_swapped_between_rows_are_refused(task, database, backend):
    other = TaskStateAccessor(TaskScope("dag", "run", "other"), "try-9", database, backend)
    assets = [AssetStateAccessor(database, name=name, backend=backend) for name in "xy"]
    for each in (task, other, *assets):
        each.set("key", "own")
    database.set(_TASK, "key", database.get(TaskScope("dag", "run", "other"), "key"))
    database.set(_TASK, "same scope", database.get(_TASK, "key"))
    database.set(AssetScope(name="x"), "key", database.get(AssetScope(name="y"), "key"))
    for each, key in ((task, "key"), (task, "same scope"), (assets[0], "key")):
        with pytest.raises(RefMismatchError):
            each.get(key)


def test_forged_ref_in_a_row_is_refused(task, database):
    task.set("key", 1)
    ref = database.get(_TASK, "key")
    for forged in (ref[:-1] + ("A" if ref[-1] != "A" else "B"), ref.replace("cobblestone256.1+", "")):
        database.set(_TASK, "key", forged)
        with pytest.raises(RefTagError):
            task.get("key")


@pytest.mark.parametrize("row", ['{"page":7}', '"text"', "7", "null"])
def test_plain_row_is_read_only_where_the_policy_admits_it(build, database, row):
    database.set(_TASK, "key", row)
    sealed = LayeredStateBackend(build("zstd | padme | cobblestone256"))
    with pytest.raises(ManifestRefusedError):
        TaskStateAccessor(_TASK, "try-1", database, sealed).get("key")
    admitting = Policy(accept=(Accept(strength=0, until=_TOMORROW),))
    for stack in (build("zstd | padme | cobblestone256", policy=admitting), build("zstd")):
        found = TaskStateAccessor(_TASK, "try-1", database, LayeredStateBackend(stack)).get("key")
        assert found == json.loads(row)


def test_expired_row_gives_the_default(task):
    past = dt.datetime.now(dt.timezone.utc) - dt.timedelta(seconds=1)
    task.set("key", 1, expires_at=past)
    assert task.get("key", "default") == "default"


@pytest.mark.parametrize("expires_at", [dt.date(2030, 1, 1), "2030-01-01", 5, dt.datetime.min])  # noqa: DTZ901 - as a host may give it
def test_end_that_no_row_can_have_is_refused_before_the_value_is_replaced(task, expires_at):
    task.set("key", "old")
    with pytest.raises(InvalidValueError, match="expires_at must be a datetime"):
        task.set("key", "new", expires_at=expires_at)
    assert task.get("key") == "old"


def test_retention_that_has_no_end_is_refused_before_the_value_is_stored(path, backend):
    task = TaskStateAccessor(_TASK, "try-1", StateDatabase(path, retention=dt.timedelta.max), backend)
    with pytest.raises(InvalidValueError, match="retention"):
        task.set("key", "new")
    assert list(backend.stack.engine.store.list("o1/")) == []


def test_asset_without_name_and_uri_is_refused(database, backend):
    with pytest.raises(ValueError, match="AssetScope requires"):
        AssetStateAccessor(database, backend=backend)


def test_asset_by_name_and_asset_by_a_uri_that_is_spelt_alike_share_nothing(database, backend):
    by_name, by_uri = (AssetStateAccessor(database, **{by: "x"}, backend=backend) for by in ("name", "uri"))
    by_name.set("key", "of the name")
    by_uri.set("key", "of the URI")
    assert (by_name.get("key"), by_uri.get("key")) == ("of the name", "of the URI")
    by_name.delete("key")
    assert (by_name.get("key"), by_uri.get("key")) == (None, "of the URI")
    database.set(AssetScope(name="x"), "key", database.get(AssetScope(uri="x"), "key"))
    with pytest.raises(RefMismatchError):
        by_name.get("key")


def test_asset_that_was_written_by_its_ref_is_read_replaced_and_deleted(database, backend):
    asset = AssetStateAccessor(database, name="x", backend=backend)
    ref = backend.serialize_asset_state_to_ref(value="old", key="key", asset_ref="x")
    database.set(AssetScope(name="x"), "key", ref)
    assert asset.get("key") == "old"
    asset.set("key", "new")
    assert asset.get("key") == "new"
    asset.delete("key")
    with pytest.raises(ObjectNotFoundError):
        backend.deserialize_asset_state_from_ref(ref)


def test_async_twins_do_what_the_others_do(task, database, backend):
    async def through_the_twins(accessor):
        await accessor.aset("key", {"page": 7}, expires_at=None)
        found = [await accessor.aget("key"), accessor.get("key")]
        await accessor.adelete("key")
        found.append(await accessor.aget("key", "default"))
        await accessor.aset("key", 1)
        await accessor.aclear()
        return [*found, accessor.get("key", "default")]

    for accessor in (task, AssetStateAccessor(database, uri="x", backend=backend)):
        assert asyncio.run(through_the_twins(accessor)) == [{"page": 7}, {"page": 7}, "default", "default"]


_ELSEWHERE = """
import sys
from lamella.state import *

database, backend = StateDatabase(sys.argv[1]), LayeredStateBackend()
task = TaskStateAccessor(TaskScope("dag", "run", "task"), "try-2", database, backend)
print(task.get("cursor"))
task.delete("deleted")
backend.delete(AssetScope(name="x"), "key")
"""


def test_other_process_on_a_later_try_reads_and_deletes_what_this_one_wrote(
    database, path, keyring_file, tmp_path, monkeypatch
):
    monkeypatch.setenv("LAMELLA__CHAIN", f"zstd | padme | cobblestone256 | chunk | directory://{tmp_path}/objects")
    monkeypatch.setenv("LAMELLA__KEYRING", f"file:{keyring_file}")
    backend = LayeredStateBackend()
    task = TaskStateAccessor(_TASK, "try-1", database, backend)
    asset = AssetStateAccessor(database, name="x", backend=backend)
    for accessor, key, value in ((task, "cursor", {"page": 7}), (task, "deleted", "x" * 10_000), (asset, "key", 1)):
        accessor.set(key, value)
    ref = database.get(_TASK, "deleted")
    command = [sys.executable, "-c", _ELSEWHERE, str(path)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "{'page': 7}\n"
    assert (task.get("cursor"), task.get("deleted", "default")) == ({"page": 7}, "default")
    for read in (lambda: backend.deserialize_task_state_from_ref(ref), lambda: asset.get("key")):
        with pytest.raises(ObjectNotFoundError):
            read()
