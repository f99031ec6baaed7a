"""The getters and the setter on an event loop, over the connection that a task process has to its supervisor."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import socket
import threading
from importlib import import_module
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest
from airflow_harness.earlier import EARLIER, Earlier

from lamella.errors import (
    ConfigError,
    InvalidValueError,
    ObjectNotFoundError,
    RefMismatchError,
    StoreError,
    UnsealedValueError,
)

CANARY = "CANARY-VALUE"
TI_ID = UUID(int=7)


class Supervisor(threading.Thread):
    """The other end of the connection: rows in a dict, answered in Airflow's own messages and frames."""

    def __init__(self, comms, there):
        super().__init__(daemon=True)
        self.comms, self.there, self.rows, self.asked = comms, there, {}, []
        self.decoder = msgspec.msgpack.Decoder(comms._RequestFrame)

    def run(self):
        with self.there, self.there.makefile("rb") as frames:
            while size := frames.read(4):
                request = self.decoder.decode(frames.read(int.from_bytes(size, "big")))
                answer = self.answer(request.body)
                self.there.sendall(self.comms._ResponseFrame(request.id, answer.model_dump()).as_bytes())

    def answer(self, asked):
        self.asked.append(asked["type"])
        errors = import_module("airflow.sdk.exceptions").ErrorType
        if asked["type"] in ("GetAssetByName", "GetAssetByUri"):
            return self.comms.ErrorResponse(error=errors.ASSET_NOT_FOUND)
        row = (str(asked.get("ti_id")), asked.get("name"), asked.get("uri"), asked["key"])
        if asked["type"].startswith("Set"):
            self.rows[row] = asked["value"]
            return self.comms.OKResponse(ok=True)
        kind = "Task" if "ti_id" in asked else "Asset"
        if row in self.rows:
            return getattr(self.comms, f"{kind}StateStoreResult")(value=self.rows[row])
        return self.comms.ErrorResponse(error=getattr(errors, f"{kind.upper()}_STORE_NOT_FOUND"))


@pytest.fixture
def lamella_airflow(make_home, monkeypatch):
    for name, value in make_home().variables.items():
        if name.startswith("AIRFLOW"):
            monkeypatch.setenv(name, value)
    import_module("airflow.sdk.execution_time.context")._get_worker_state_store_backend.cache_clear()
    return import_module("lamella.airflow")


@pytest.fixture
def supervisor(lamella_airflow, monkeypatch):
    assert lamella_airflow
    comms = import_module("airflow.sdk.execution_time.comms")
    here, there = socket.socketpair()
    supervisor = Supervisor(comms, there)
    supervisor.start()
    runner = import_module("airflow.sdk.execution_time.task_runner")
    monkeypatch.setattr(runner, "SUPERVISOR_COMMS", comms.CommsDecoder(socket=here), raising=False)
    yield supervisor
    here.close()
    supervisor.join(60)
    assert not supervisor.is_alive()


@pytest.fixture(params=["task", "asset by name", "asset by URI", "only asset"])
def accessor(request, supervisor):
    assert supervisor
    context = import_module("airflow.sdk.execution_time.context")
    scope = import_module("airflow.sdk.state").TaskScope("dag", "run", "task")
    asset = import_module("airflow.sdk").Asset("an asset", uri="file://host/asset")
    return {
        "task": lambda: context.TaskStateStoreAccessor(ti_id=TI_ID, scope=scope),
        "asset by name": lambda: context.AssetStateStoreAccessor(name="x"),
        "asset by URI": lambda: context.AssetStateStoreAccessor(uri="x"),
        "only asset": lambda: context.AssetStateStoreAccessors([asset]),
    }[request.param]()


async def _within(seconds, *calls):
    return await asyncio.wait_for(asyncio.gather(*calls), seconds)


def test_what_was_set_on_a_loop_is_got_on_it_and_off_it(lamella_airflow, accessor, supervisor):
    async def run():
        await lamella_airflow.aset(accessor, "key", {"x": CANARY})
        return await lamella_airflow.aget(accessor, "key"), await lamella_airflow.aget(accessor, "absent", 7)

    assert asyncio.run(run()) == ({"x": CANARY}, 7)
    assert lamella_airflow.get(accessor, "key") == accessor.get("key") == {"x": CANARY}
    assert CANARY not in str(supervisor.rows)
    assert all(row["__airflow_state_ref__"].startswith("lamella:1:") for row in supervisor.rows.values())


def test_many_calls_beside_other_traffic_neither_wait_for_ever_nor_mix_up(lamella_airflow, accessor, supervisor):
    comms = supervisor.comms
    runner = import_module("airflow.sdk.execution_time.task_runner")
    keys = [f"key {number}" for number in range(40)]

    async def other(key):
        return await runner.SUPERVISOR_COMMS.asend(comms.GetAssetStateStoreByName(name="other", key=key))

    async def run():
        supervisor.rows.update({(str(None), "other", None, key): key for key in keys})
        await _within(60, *(lamella_airflow.aset(accessor, key, [key]) for key in keys), *map(other, keys))
        return await _within(60, *(lamella_airflow.aget(accessor, key) for key in keys), *map(other, keys))

    answers = asyncio.run(run())
    assert answers[: len(keys)] == [[key] for key in keys]
    assert [answer.value for answer in answers[len(keys) :]] == keys


def test_loop_goes_on_while_the_store_is_asked_side_by_side(lamella_airflow, accessor, slow_store):
    async def run():
        await asyncio.gather(*(lamella_airflow.aset(accessor, str(number), number) for number in range(3)))
        return await asyncio.gather(*(lamella_airflow.aget(accessor, str(number)) for number in range(3)))

    assert slow_store.run(run(), side_by_side=3) == [0, 1, 2]
    assert slow_store.calls == ["put"] * 3 + ["get"] * 3


@pytest.fixture
def late(supervisor, monkeypatch):
    """Answer the next question when `late.may` is set, and tell by `late.asked` that it was asked."""
    answer, asked, may = supervisor.answer, threading.Event(), threading.Event()

    def answer_late(question):
        monkeypatch.setattr(supervisor, "answer", answer)
        asked.set()
        assert may.wait(60)
        return answer(question)

    monkeypatch.setattr(supervisor, "answer", answer_late)
    yield SimpleNamespace(asked=asked, may=may)
    may.set()


async def _cancelled(call, late):
    """Cancel a call once it has asked; it is answered shortly after."""
    task = asyncio.create_task(call)
    assert await asyncio.to_thread(late.asked.wait, 60)
    task.cancel()
    threading.Timer(0.1, late.may.set).start()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_cancelled_getter_leaves_the_next_question_its_own_answer(lamella_airflow, accessor, request):
    for key in ("first", "second"):
        accessor.set(key, key)
    late = request.getfixturevalue("late")

    async def run():
        await _cancelled(lamella_airflow.aget(accessor, "first"), late)
        return await _within(20, lamella_airflow.aget(accessor, "second")), accessor.get("first")

    assert asyncio.run(run()) == (["second"], "first")


def test_cancelled_setter_ends_after_its_row_was_written(lamella_airflow, accessor, supervisor, late):
    async def run():
        await _cancelled(lamella_airflow.aset(accessor, "key", "old"), late)
        return [*supervisor.rows]

    assert len(asyncio.run(run())) == 1
    assert lamella_airflow.get(accessor, "key") == "old"


def test_getter_that_is_cancelled_in_its_turn_asks_nothing(lamella_airflow, accessor, supervisor, request):
    accessor.set("key", "value")
    late = request.getfixturevalue("late")

    async def run():
        first = asyncio.create_task(lamella_airflow.aget(accessor, "key"))
        assert await asyncio.to_thread(late.asked.wait, 60)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(lamella_airflow.aget(accessor, "another"), 0.05)
        late.may.set()
        return await _within(20, first, lamella_airflow.aget(accessor, "key"))

    asked = len(supervisor.asked)
    assert asyncio.run(run()) == ["value"] * 2
    assert len(supervisor.asked) == asked + 2


def test_getter_that_is_cancelled_while_another_thread_asks_leaves_the_connection_free(lamella_airflow, accessor, late):
    talks = import_module("airflow.sdk.execution_time.task_runner").SUPERVISOR_COMMS

    async def run():
        other = threading.Thread(target=accessor.get, args=("key",))
        other.start()
        assert await asyncio.to_thread(late.asked.wait, 60)
        asking = asyncio.create_task(lamella_airflow.aget(accessor, "key"))
        await asyncio.sleep(0.1)  # It waits for the connection now.
        asking.cancel()
        late.may.set()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.to_thread(other.join)

    asyncio.run(run())
    assert talks._thread_lock.acquire(timeout=10)
    talks._thread_lock.release()


def test_error_of_a_cancelled_call_is_nobodys(lamella_airflow, accessor, late, monkeypatch, caplog):
    kind = type(getattr(accessor, "_single_accessor", lambda: accessor)())
    get, failed = kind.get, []

    def fail(*args):
        get(*args)
        failed.append(True)
        raise StoreError("nobody waits for this")

    monkeypatch.setattr(kind, "get", fail)
    asyncio.run(_cancelled(lamella_airflow.aget(accessor, "key"), late))
    gc.collect()
    assert failed
    assert "never retrieved" not in caplog.text


def test_row_is_sent_after_its_object_was_stored(lamella_airflow, accessor, supervisor, monkeypatch):
    store = import_module("lamella_layers.store.directory").DirectoryStore

    def fail(*_, **__):
        raise StoreError("the disk is gone")

    monkeypatch.setattr(store, "put", fail)
    with pytest.raises(StoreError):
        asyncio.run(lamella_airflow.aset(accessor, "key", CANARY))
    assert supervisor.asked == []


def test_none_is_refused_before_anything_is_stored(lamella_airflow, accessor, supervisor):
    with pytest.raises(ValueError, match="None"):
        asyncio.run(lamella_airflow.aset(accessor, "key", None))
    assert supervisor.asked == []


def test_what_the_accessors_own_set_does_not_take_is_refused_before_anything_is_stored(
    lamella_airflow, accessor, supervisor
):
    options = {"retention": None, "lifetime": None} if hasattr(accessor, "_scope") else {"retention": None}
    backend = import_module("airflow.sdk.execution_time.context")._get_worker_state_store_backend()
    with pytest.raises(TypeError):
        asyncio.run(lamella_airflow.aset(accessor, "key", CANARY, **options))
    assert list(backend.stack.engine.store.list("o1/")) == []
    assert supervisor.asked == []


@pytest.mark.parametrize("accessor", ["task"], indirect=True)
@pytest.mark.parametrize("retention", [5, "x", dt.timedelta(days=999_999_998)])
def test_retention_that_airflow_cannot_reckon_with_is_refused_before_the_value_is_replaced(
    lamella_airflow, accessor, retention
):
    asyncio.run(lamella_airflow.aset(accessor, "key", "old"))
    with pytest.raises(InvalidValueError, match="retention"):
        asyncio.run(lamella_airflow.aset(accessor, "key", "new", retention=retention))
    assert lamella_airflow.get(accessor, "key") == "old"


@pytest.mark.parametrize("days", ["-1", "3000000", "999999999999", "a week"])
def test_default_retention_that_airflow_cannot_reckon_with_is_refused_before_a_tasks_value_is_replaced(
    lamella_airflow, accessor, monkeypatch, days
):
    asyncio.run(lamella_airflow.aset(accessor, "key", "old"))
    monkeypatch.setenv("AIRFLOW__STATE_STORE__DEFAULT_RETENTION_DAYS", days)
    if not hasattr(accessor, "_scope"):
        asyncio.run(lamella_airflow.aset(accessor, "key", "new"))
        return
    with pytest.raises(Exception if days == "a week" else ConfigError, match="default_retention_days"):
        asyncio.run(lamella_airflow.aset(accessor, "key", "new"))
    assert lamella_airflow.get(accessor, "key") == "old"
    asyncio.run(lamella_airflow.aset(accessor, "key", "new", retention=dt.timedelta(days=1)))
    assert lamella_airflow.get(accessor, "key") == "new"


@pytest.fixture
def set_before(lamella_airflow, monkeypatch, tmp_path):
    """Give what sets keys as a worker with the earlier backend does."""
    assert lamella_airflow
    tomorrow = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=1)
    monkeypatch.setenv("AIRFLOW__LAMELLA__FALLBACK_BACKEND", EARLIER)
    monkeypatch.setenv("AIRFLOW__LAMELLA__MIGRATE_UNTIL", f"{tomorrow:%Y-%m-%d}")
    Earlier.make(tmp_path / "earlier", monkeypatch)
    made = import_module("airflow.sdk.execution_time.context")._get_worker_state_store_backend

    def set_before(accessor, *keys):
        with pytest.MonkeyPatch.context() as before:
            before.setenv("AIRFLOW__WORKERS__STATE_STORE_BACKEND", EARLIER)
            made.cache_clear()
            for key in keys:
                accessor.set(key, [CANARY, key])
        made.cache_clear()

    return set_before


def test_ref_of_an_earlier_backend_is_got_in_the_row_of_its_key_alone(
    lamella_airflow, accessor, supervisor, set_before
):
    set_before(accessor, "first", "second", "third")
    first, second, third = supervisor.rows
    supervisor.rows[second] = supervisor.rows[first]
    supervisor.rows[third] = {"__airflow_state_ref__": '"planted"'}

    def get(key):
        return asyncio.run(lamella_airflow.aget(accessor, key))

    for read in (get, lambda key: lamella_airflow.get(accessor, key)):
        assert read("first") == [CANARY, "first"]
        for key, error in (("second", RefMismatchError), ("third", UnsealedValueError)):
            with pytest.raises(error):
                read(key)


def test_ref_of_an_earlier_backend_is_got_by_the_other_name_of_its_asset(
    lamella_airflow, supervisor, set_before, monkeypatch
):
    context = import_module("airflow.sdk.execution_time.context")
    answer, known = supervisor.answer, supervisor.comms.AssetResult(name="an asset", uri="file://asset", group="asset")
    monkeypatch.setattr(
        supervisor, "answer", lambda asked: known if asked["type"] == "GetAssetByName" else answer(asked)
    )
    set_before(context.AssetStateStoreAccessor(uri="file://asset"), "key")
    by_name = context.AssetStateStoreAccessor(name="an asset")
    lamella_airflow.get(by_name, "key")
    missed = set(supervisor.rows)
    by_name.set("key", 1)
    (row,) = set(supervisor.rows) - missed
    supervisor.rows[row] = supervisor.rows[missed.pop()]
    assert lamella_airflow.get(by_name, "key") == [CANARY, "key"]


def test_planted_value_and_copied_row_are_refused(lamella_airflow, accessor, supervisor):
    async def run():
        for key in ("first", "second", "third"):
            await lamella_airflow.aset(accessor, key, CANARY)
        first, second, third = supervisor.rows
        supervisor.rows[second] = supervisor.rows[first]
        supervisor.rows[third] = CANARY
        for key, error in (("second", RefMismatchError), ("third", UnsealedValueError)):
            with pytest.raises(error):
                await lamella_airflow.aget(accessor, key)
            with pytest.raises(error):
                lamella_airflow.get(accessor, key)

    asyncio.run(run())


def test_planted_value_is_got_until_the_date_on_which_plaintext_ends(
    lamella_airflow, accessor, supervisor, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__LAMELLA__ACCEPT_PLAINTEXT_UNTIL", "2999-12-31")
    lamella_airflow.get(accessor, "absent")
    asyncio.run(lamella_airflow.aset(accessor, "key", 1))
    (row,) = supervisor.rows
    supervisor.rows[row] = {"page": 7}
    assert lamella_airflow.get(accessor, "key") == asyncio.run(lamella_airflow.aget(accessor, "key")) == {"page": 7}


def test_value_that_travels_in_its_ref_is_set_and_got(lamella_airflow, accessor, supervisor, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LAMELLA__CHAIN", "zstd | padme | cobblestone256 | inline://")
    asyncio.run(lamella_airflow.aset(accessor, "first", CANARY))
    asyncio.run(lamella_airflow.aset(accessor, "second", [CANARY]))
    assert lamella_airflow.get(accessor, "first") == asyncio.run(lamella_airflow.aget(accessor, "first")) == CANARY
    assert CANARY not in str(supervisor.rows)
    first, second = supervisor.rows
    supervisor.rows[second] = supervisor.rows[first]
    with pytest.raises(RefMismatchError):
        lamella_airflow.get(accessor, "second")


@pytest.mark.parametrize("missing_object", ["raise", "none"])
def test_object_that_is_gone_is_an_error_or_the_default(
    lamella_airflow, accessor, supervisor, monkeypatch, missing_object
):
    monkeypatch.setenv("AIRFLOW__LAMELLA__MISSING_OBJECT", missing_object)
    accessor.set("key", CANARY)
    rows = dict(supervisor.rows)
    backend = import_module("airflow.sdk.execution_time.context")._get_worker_state_store_backend()
    for store in backend.stack.engine.stores.values():
        for listed in list(store.list("o1/")):
            store.delete(listed.locator)
    assert supervisor.rows == rows
    if missing_object == "none":
        assert accessor.get("key", "default") is None
        assert lamella_airflow.get(accessor, "key", "default") == "default"
        assert asyncio.run(lamella_airflow.aget(accessor, "key", "default")) == "default"
        return
    for read in (accessor.get, lambda key: lamella_airflow.get(accessor, key)):
        with pytest.raises(ObjectNotFoundError):
            read("key")


@pytest.fixture
def on_triggerer(supervisor, monkeypatch):
    """Give what runs a coroutine over the connection of a triggerer, and the other end of that."""
    triggerer = import_module("airflow.jobs.triggerer_job_runner")
    here, there = socket.socketpair()
    other = Supervisor(supervisor.comms, there)
    other.start()

    async def run(coroutine):
        reader, writer = await asyncio.open_connection(sock=here)
        talks = triggerer.TriggerCommsDecoder(async_writer=writer, async_reader=reader, socket=None)
        monkeypatch.setattr(import_module("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS", talks)
        await talks.start_reader()
        try:
            return await coroutine
        finally:
            talks._reader_task.cancel()
            writer.close()

    return lambda coroutine: asyncio.run(run(coroutine)), other


def test_trigger_sets_and_gets_the_state_of_its_asset(lamella_airflow, on_triggerer):
    context = import_module("airflow.sdk.execution_time.context")
    asset = import_module("airflow.sdk").Asset("an asset", uri="file://host/asset")
    run, other = on_triggerer

    async def set_and_get():
        accessors = context.AssetStateStoreAccessors(inlets=[asset])
        keys = [f"key {number}" for number in range(20)]
        await _within(60, *(lamella_airflow.aset(accessors, key, [key]) for key in keys))
        got = await _within(60, *(lamella_airflow.aget(accessors[asset], key) for key in keys))
        return got == [[key] for key in keys]

    assert run(set_and_get())
    assert len(other.rows) == 20
    assert all(row["__airflow_state_ref__"].startswith("lamella:1:") for row in other.rows.values())


def test_trigger_is_refused_by_uri_what_was_written_by_name_and_asks_nobody(lamella_airflow, on_triggerer):
    accessor = import_module("airflow.sdk.execution_time.context").AssetStateStoreAccessor
    run, other = on_triggerer

    async def set_and_get():
        await lamella_airflow.aset(accessor(name="x"), "key", CANARY)
        other.rows["None", None, "x", "key"] = other.rows["None", "x", None, "key"]
        with pytest.raises(RefMismatchError):
            await _within(20, lamella_airflow.aget(accessor(uri="x"), "key"))

    run(set_and_get())
    assert other.asked == ["SetAssetStateStoreByName", "GetAssetStateStoreByUri"]


def test_getters_need_the_backend_of_this_project(lamella_airflow, accessor, monkeypatch):
    monkeypatch.setenv("AIRFLOW__WORKERS__STATE_STORE_BACKEND", "")
    with pytest.raises(ConfigError, match="state_store_backend"):
        lamella_airflow.get(accessor, "key")
    with pytest.raises(ConfigError, match="state_store_backend"):
        asyncio.run(lamella_airflow.aset(accessor, "key", 1))
