"""Tasks of which each holds a claim about the worker's side; what must hold is asserted where it happens."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from airflow.sdk import (
    DAG,
    Asset,
    AssetAlias,
    BaseOperator,
    ResumableJobMixin,
    get_current_context,
    task,
)
from airflow.sdk.definitions.asset import AssetNameRef, AssetUriRef
from airflow.sdk.execution_time.context import NEVER_EXPIRE, _get_worker_state_store_backend

from lamella.airflow import UnsealedValueError, aget, aset, get
from lamella.errors import (
    MalformedRefError,
    ManifestRefusedError,
    ObjectNotFoundError,
    RefMismatchError,
    RefTagError,
)

CANARY = "CANARY-VALUE"
VALUES = [
    {"page": 7, "text": CANARY},
    {"__airflow_state_ref__": CANARY},
    {"__airflow_state_ref__": "lamella:1:deadbeef:main:zstd.1:task:"},
    {"__airflow_state_ref__": {"__airflow_state_ref__": 1}},
    "lamella:1:",
    '{"__airflow_state_ref__": "x"}',
    [],
    "",
    0,
    False,
]
PLAIN = Asset("plain", uri="file://host/plain")
SECOND = Asset("second", uri="file://host/second")
FOREIGN = Asset("foreign", uri="file://host/foreign")
ALIASED = Asset("aliased", uri="file://host/aliased")
ALIAS = AssetAlias("an alias")


SELECT_OF_TASK = "SELECT value FROM task_state_store WHERE dag_id = ? AND run_id = ? AND task_id = ? AND key = ?"
UPDATE_OF_TASK = "UPDATE task_state_store SET value = ? WHERE dag_id = ? AND run_id = ? AND task_id = ? AND key = ?"
SELECT_OF_ASSET = (
    "SELECT value FROM asset_state_store WHERE asset_id = (SELECT id FROM asset WHERE name = ?) AND key = ?"
)
UPDATE_OF_ASSET = (
    "UPDATE asset_state_store SET value = ? WHERE asset_id = (SELECT id FROM asset WHERE name = ?) AND key = ?"
)


def _sql(statement, *given):
    path = Path(os.environ["AIRFLOW_HOME"], "airflow.db")
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        return database.execute(statement, given).fetchall()


def _held(key, task_id=None):
    """Give what the row of a key of this task, or of another one of its run, holds."""
    ti = get_current_context()["ti"]
    rows = _sql(SELECT_OF_TASK, ti.dag_id, ti.run_id, task_id or ti.task_id, key)
    return json.loads(rows[0][0])


def _plant(key, value):
    """Put something into the row of a key of this task, past the backend."""
    ti = get_current_context()["ti"]
    _sql(UPDATE_OF_TASK, json.dumps(value), ti.dag_id, ti.run_id, ti.task_id, key)


def _held_of(asset, key):
    """Give what the row of a key of an asset holds."""
    return json.loads(_sql(SELECT_OF_ASSET, asset.name, key)[0][0])


def _plant_in(asset, key, value):
    """Put something into the row of a key of an asset, past the backend."""
    _sql(UPDATE_OF_ASSET, json.dumps(value), asset.name, key)


def _note(context):
    """Read in a callback, where no context is current, and leave a note of it."""
    state = context["task_state_store"]
    read = [state.get("key"), get(state, "key")]
    with Path(os.environ["AIRFLOW_HOME"], "notes").open("a") as notes:
        notes.write(f"{context['ti'].task_id} {read == [CANARY, CANARY]}\n")


class _Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        self.texts.append((record.levelname, record.getMessage()))


@contextmanager
def one_record(*words):
    """Hold that exactly one warning record was made, that it has these words and no value."""
    records = _Records()
    logger = logging.getLogger("lamella.airflow")
    logger.addHandler(records)
    try:
        yield
    finally:
        logger.removeHandler(records)
    (record,) = records.texts
    assert record[0] == "WARNING"
    assert all(word in record[1] for word in words)
    assert CANARY not in record[1]


@contextmanager
def refused(error):
    with one_record(error.__name__), pytest.raises(error) as caught:
        yield
    assert CANARY not in str(caught.value)


def claims(dag_id, **given):
    return DAG(dag_id, schedule=None, **given)


with claims("task_claims"):

    @task
    def another_task_writes(task_state_store):
        task_state_store.set("key", CANARY)

    @task(retries=1, retry_delay=0)
    def values_come_back_on_the_next_try(ti, task_state_store):
        if ti.try_number == 1:
            for number, value in enumerate(VALUES):
                task_state_store.set(str(number), value)
                assert task_state_store.get(str(number)) == value
            raise RuntimeError("the first try ends here")
        for number, value in enumerate(VALUES):
            assert task_state_store.get(str(number)) == get(task_state_store, str(number)) == value
            assert _held(str(number)).keys() == {"__airflow_state_ref__"}
            assert _held(str(number))["__airflow_state_ref__"].startswith("lamella:1:")

    @task
    def absent_row_gives_the_default(task_state_store):
        assert get(task_state_store, "absent") is None
        assert get(task_state_store, "absent", {"page": 0}) == {"page": 0}
        assert asyncio.run(aget(task_state_store, "absent", 7)) == 7

    @task
    def ref_of_another_task_is_refused(task_state_store):
        task_state_store.set("key", "own")
        _plant("key", _held("key", "another_task_writes"))
        with refused(RefMismatchError):
            task_state_store.get("key")
        with refused(RefMismatchError):
            get(task_state_store, "key")
        with refused(RefMismatchError):
            asyncio.run(aget(task_state_store, "key"))
        backend = _get_worker_state_store_backend()
        ref = _held("key")["__airflow_state_ref__"]
        with refused(RefMismatchError):
            asyncio.run(backend.adeserialize_task_state_store_from_ref(ref))
        with refused(RefMismatchError):
            backend.deserialize_asset_state_store_from_ref(ref)

    @task
    def ref_of_another_key_is_refused_by_the_getters(task_state_store):
        task_state_store.set("first", CANARY)
        task_state_store.set("second", "second")
        _plant("second", _held("first"))
        assert task_state_store.get("second") == CANARY
        with refused(RefMismatchError):
            get(task_state_store, "second")
        with refused(RefMismatchError):
            asyncio.run(aget(task_state_store, "second"))

    @task
    def value_without_the_envelope_is_refused_by_the_getters(task_state_store):
        for planted in (CANARY, {"page": CANARY}, {"__airflow_state_ref__": ""}, {"__airflow_state_ref__": None}, 0):
            task_state_store.set("key", "own")
            _plant("key", planted)
            with refused(UnsealedValueError):
                get(task_state_store, "key")
            with refused(UnsealedValueError):
                asyncio.run(aget(task_state_store, "key"))

    @task
    def envelope_around_plaintext_is_refused(task_state_store):
        for planted in (CANARY, json.dumps(CANARY), json.dumps({"page": CANARY}), "7", "null"):
            task_state_store.set("key", "own")
            _plant("key", {"__airflow_state_ref__": planted})
            with refused(ManifestRefusedError):
                task_state_store.get("key")
            with refused(ManifestRefusedError):
                get(task_state_store, "key")

    @task
    def envelope_around_what_is_no_text_is_refused(task_state_store):
        for planted in (7, True, [CANARY], {"__airflow_state_ref__": CANARY}):
            task_state_store.set("key", "own")
            _plant("key", {"__airflow_state_ref__": planted})
            with refused(MalformedRefError):
                task_state_store.get("key")

    @task
    def forged_ref_is_refused(task_state_store):
        task_state_store.set("key", "own")
        ref = _held("key")["__airflow_state_ref__"]
        _plant("key", {"__airflow_state_ref__": ref[:-43] + "A" * 43})
        with refused(RefTagError):
            task_state_store.get("key")
        with refused(RefTagError):
            get(task_state_store, "key")

    @task
    def object_that_is_gone_is_an_error_that_says_why(task_state_store):
        task_state_store.set("key", CANARY)
        task_state_store._clear_backend_only()
        with refused(ObjectNotFoundError):
            task_state_store.get("key")
        with one_record("ObjectNotFoundError"), pytest.raises(ObjectNotFoundError, match="clear_on_success"):
            get(task_state_store, "key", "default")

    @task
    def deleted_and_cleared_keys_are_absent(task_state_store):
        for key in ("first", "second"):
            task_state_store.set(key, CANARY)
        task_state_store.delete("first")
        assert get(task_state_store, "first", "absent") == "absent"
        assert get(task_state_store, "second") == CANARY
        task_state_store.clear()
        assert get(task_state_store, "second", "absent") == "absent"

    @task
    def getters_and_setter_on_a_loop_do_what_the_accessor_does(task_state_store):
        async def run():
            values = {f"key {number}": {"number": number, "text": CANARY} for number in range(8)}
            await asyncio.gather(*(aset(task_state_store, key, value) for key, value in values.items()))
            assert {key: await aget(task_state_store, key) for key in values} == values
            got = await asyncio.gather(*(aget(task_state_store, key) for key in values))
            assert dict(zip(values, got, strict=True)) == values
            return values

        values = asyncio.run(run())
        assert {key: task_state_store.get(key) for key in values} == values
        with pytest.raises(ValueError, match="None"):
            asyncio.run(aset(task_state_store, "none", None))
        assert get(task_state_store, "none", "absent") == "absent"

    @task
    async def coroutine_task_reads_what_it_wrote(task_state_store):
        await aset(task_state_store, "key", CANARY)
        assert await aget(task_state_store, "key") == CANARY

    @task
    def retention_goes_to_airflow(task_state_store):
        async def run():
            await aset(task_state_store, "a day", 1, retention=dt.timedelta(days=1))
            await aset(task_state_store, "ever", 1, retention=NEVER_EXPIRE)

        asyncio.run(run())
        ti = get_current_context()["ti"]
        query = "SELECT key, expires_at FROM task_state_store WHERE run_id = ? AND task_id = ?"
        expires = dict(_sql(query, ti.run_id, ti.task_id))
        assert expires["ever"] is None
        assert expires["a day"] is not None

    @task
    def mapped_task_is_refused_what_another_index_wrote(number, ti, task_state_store):
        task_state_store.set("key", number)
        assert task_state_store.get("key") == get(task_state_store, "key") == number
        mine = ("key", ti.run_id, ti.task_id)
        query = "SELECT value FROM task_state_store WHERE key = ? AND run_id = ? AND task_id = ? ORDER BY id"
        rows = _sql(query, *mine)
        if len(rows) == 1:
            return
        (first,), (own,) = rows
        swap = "UPDATE task_state_store SET value = ? WHERE key = ? AND run_id = ? AND task_id = ? AND value = ?"
        _sql(swap, first, *mine, own)
        with refused(RefMismatchError):
            task_state_store.get("key")

    @task(on_success_callback=_note)
    def callback_reads_what_the_task_wrote(task_state_store):
        task_state_store.set("key", CANARY)

    (
        another_task_writes()
        >> [
            values_come_back_on_the_next_try(),
            absent_row_gives_the_default(),
            ref_of_another_task_is_refused(),
            ref_of_another_key_is_refused_by_the_getters(),
            value_without_the_envelope_is_refused_by_the_getters(),
            envelope_around_plaintext_is_refused(),
            envelope_around_what_is_no_text_is_refused(),
            forged_ref_is_refused(),
            object_that_is_gone_is_an_error_that_says_why(),
            deleted_and_cleared_keys_are_absent(),
            getters_and_setter_on_a_loop_do_what_the_accessor_does(),
            coroutine_task_reads_what_it_wrote(),
            retention_goes_to_airflow(),
            mapped_task_is_refused_what_another_index_wrote.expand(number=[1, 2]),
            callback_reads_what_the_task_wrote(),
        ]
    )


class _Job(ResumableJobMixin, BaseOperator):
    """Loses its worker while the job runs, and finds the job again."""

    submitted = 0

    def execute(self, context):
        return self.execute_resumable(context)

    def submit_job(self, _context):
        type(self).submitted += 1
        return f"job {self.submitted} {CANARY}"

    def get_job_status(self, external_id, _context):
        assert external_id == f"job 1 {CANARY}"
        return "RUNNING"

    def is_job_active(self, status):
        return status == "RUNNING"

    def is_job_succeeded(self, _status):
        return False

    def poll_until_complete(self, _external_id, context):
        if context["ti"].try_number == 1:
            raise RuntimeError("the worker is lost")

    def get_job_result(self, *_):
        return None


with claims("job_claims"):
    _Job(task_id="job_is_found_again_on_the_next_try", retries=1, retry_delay=0)

with claims("asset_claims"):

    @task(outlets=[FOREIGN])
    def another_task_writes_an_asset(asset_state_store):
        asset_state_store[FOREIGN].set("key", CANARY)

    @task(outlets=[PLAIN, SECOND])
    def assets_keep_apart(asset_state_store):
        for number, asset in enumerate((PLAIN, SECOND)):
            for value in VALUES:
                asset_state_store[asset].set("key", value)
                assert get(asset_state_store[asset], "key") == asset_state_store[asset].get("key") == value
            asset_state_store[asset].set("key", number)
        assert [get(asset_state_store[asset], "key") for asset in (PLAIN, SECOND)] == [0, 1]

    @task(inlets=[PLAIN])
    def only_asset_needs_no_name(asset_state_store):
        asyncio.run(aset(asset_state_store, "only", CANARY))
        assert get(asset_state_store, "only") == CANARY
        assert asyncio.run(aget(asset_state_store, "only")) == CANARY
        assert get(asset_state_store, "absent", 7) == 7

    @task(inlets=[PLAIN])
    def ref_of_an_asset_that_is_not_declared_is_refused(asset_state_store):
        asset_state_store.set("key", "own")
        _plant_in(PLAIN, "key", _held_of(FOREIGN, "key"))
        with refused(RefMismatchError):
            asset_state_store.get("key")
        with refused(RefMismatchError):
            get(asset_state_store, "key")
        with refused(RefMismatchError):
            asyncio.run(aget(asset_state_store, "key"))

    @task(inlets=[PLAIN, FOREIGN])
    def ref_of_another_declared_asset_is_refused_by_the_getters(asset_state_store):
        asset_state_store[PLAIN].set("key", "own")
        _plant_in(PLAIN, "key", _held_of(FOREIGN, "key"))
        assert asset_state_store[PLAIN].get("key") == CANARY
        with refused(RefMismatchError):
            get(asset_state_store[PLAIN], "key")

    @task(inlets=[PLAIN])
    def value_in_an_asset_without_the_envelope_is_refused_by_the_getters(asset_state_store):
        asset_state_store.set("key", "own")
        _plant_in(PLAIN, "key", {"page": CANARY})
        with refused(UnsealedValueError):
            get(asset_state_store, "key")
        with refused(UnsealedValueError):
            asyncio.run(aget(asset_state_store, "key"))

    @task
    def task_without_assets_reads_none(task_state_store):
        task_state_store.set("key", "own")
        _plant("key", _held_of(FOREIGN, "key"))
        with refused(RefMismatchError):
            task_state_store.get("key")

    @task(inlets=[AssetUriRef(SECOND.uri)])
    def asset_by_uri_reads_what_was_written_by_name(asset_state_store):
        assert asset_state_store.get("key") == get(asset_state_store, "key") == 1
        assert asyncio.run(aget(asset_state_store, "key")) == 1
        asset_state_store.set("by uri", CANARY)

    @task(inlets=[SECOND])
    def asset_reads_what_was_written_by_uri(asset_state_store):
        assert asset_state_store.get("by uri") == get(asset_state_store, "by uri") == CANARY

    @task(inlets=[AssetNameRef("second")])
    def asset_by_name_reads_what_was_written_by_uri(asset_state_store):
        assert asset_state_store.get("by uri") == get(asset_state_store, "by uri") == CANARY
        _plant_in(SECOND, "by uri", _held_of(FOREIGN, "key"))
        with refused(RefMismatchError):
            asset_state_store.get("by uri")

    @task(outlets=[ALIAS])
    def alias_gets_an_asset(outlet_events):
        outlet_events[ALIAS].add(ALIASED)

    @task(outlets=[ALIASED])
    def aliased_asset_is_written(asset_state_store):
        asset_state_store.set("key", CANARY)

    @task(inlets=[ALIAS])
    def asset_behind_an_alias_is_read(asset_state_store):
        assert asset_state_store.get("key") == get(asset_state_store, "key") == CANARY

    (
        another_task_writes_an_asset()
        >> assets_keep_apart()
        >> asset_by_uri_reads_what_was_written_by_name()
        >> asset_reads_what_was_written_by_uri()
        >> asset_by_name_reads_what_was_written_by_uri()
        >> only_asset_needs_no_name()
        >> ref_of_an_asset_that_is_not_declared_is_refused()
        >> ref_of_another_declared_asset_is_refused_by_the_getters()
        >> value_in_an_asset_without_the_envelope_is_refused_by_the_getters()
        >> task_without_assets_reads_none()
    )
    alias_gets_an_asset() >> aliased_asset_is_written() >> asset_behind_an_alias_is_read()
