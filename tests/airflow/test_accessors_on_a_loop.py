"""The getters and the setter on an event loop, over the connection that a task process has to its supervisor."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from importlib import import_module
from uuid import UUID

import msgspec
import pytest

from lamella.errors import ConfigError, ObjectNotFoundError, RefMismatchError, StoreError, UnsealedValueError

CANARY = "CANARY-VALUE"
DELAY_SECONDS = 0.5
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
        row = (str(asked.get("ti_id")), asked.get("name"), asked.get("uri"), asked["key"])
        if asked["type"].startswith("Set"):
            self.rows[row] = asked["value"]
            return self.comms.OKResponse(ok=True)
        kind = "Task" if "ti_id" in asked else "Asset"
        if row in self.rows:
            return getattr(self.comms, f"{kind}StateStoreResult")(value=self.rows[row])
        error = getattr(import_module("airflow.sdk.exceptions").ErrorType, f"{kind.upper()}_STORE_NOT_FOUND")
        return self.comms.ErrorResponse(error=error)


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
    supervisor.join(10)
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


@pytest.fixture
def slow_store(monkeypatch):
    """Make the directory store take its time with every object."""
    store = import_module("lamella_layers.store.directory").DirectoryStore

    def slowed(method):
        def call(*args, **kwargs):
            time.sleep(DELAY_SECONDS)
            return method(*args, **kwargs)

        return call

    for name in ("put", "get"):
        monkeypatch.setattr(store, name, slowed(getattr(store, name)))


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


@pytest.mark.usefixtures("slow_store")
def test_loop_goes_on_while_the_store_takes_its_time(lamella_airflow, accessor):
    async def run():
        gaps, done = [], asyncio.Event()

        async def tick():
            while not done.is_set():
                before = time.monotonic()
                await asyncio.sleep(0.001)
                gaps.append(time.monotonic() - before)

        ticking = asyncio.create_task(tick())
        before = time.monotonic()
        await asyncio.gather(*(lamella_airflow.aset(accessor, str(number), number) for number in range(3)))
        got = await asyncio.gather(*(lamella_airflow.aget(accessor, str(number)) for number in range(3)))
        took = time.monotonic() - before
        done.set()
        await ticking
        return got, max(gaps), took

    got, gap, took = asyncio.run(run())
    assert got == [0, 1, 2]
    assert gap < DELAY_SECONDS / 2
    assert took < 5 * DELAY_SECONDS  # Six in a row would take longer: the store is asked side by side.


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


def test_trigger_sets_and_gets_the_state_of_its_asset(lamella_airflow, supervisor, monkeypatch):
    triggerer = import_module("airflow.jobs.triggerer_job_runner")
    context = import_module("airflow.sdk.execution_time.context")
    asset = import_module("airflow.sdk").Asset("an asset", uri="file://host/asset")
    here, there = socket.socketpair()
    other = Supervisor(supervisor.comms, there)
    other.start()

    async def run():
        reader, writer = await asyncio.open_connection(sock=here)
        talks = triggerer.TriggerCommsDecoder(async_writer=writer, async_reader=reader, socket=None)
        monkeypatch.setattr(import_module("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS", talks)
        await talks.start_reader()
        accessors = context.AssetStateStoreAccessors(inlets=[asset])
        keys = [f"key {number}" for number in range(20)]
        await _within(60, *(lamella_airflow.aset(accessors, key, [key]) for key in keys))
        got = await _within(60, *(lamella_airflow.aget(accessors[asset], key) for key in keys))
        talks._reader_task.cancel()
        writer.close()
        return got == [[key] for key in keys]

    assert asyncio.run(run())
    assert len(other.rows) == 20
    assert all(row["__airflow_state_ref__"].startswith("lamella:1:") for row in other.rows.values())


def test_getters_need_the_backend_of_this_project(lamella_airflow, accessor, monkeypatch):
    monkeypatch.setenv("AIRFLOW__WORKERS__STATE_STORE_BACKEND", "")
    with pytest.raises(ConfigError, match="state_store_backend"):
        lamella_airflow.get(accessor, "key")
    with pytest.raises(ConfigError, match="state_store_backend"):
        asyncio.run(lamella_airflow.aset(accessor, "key", 1))
