"""The worker's side where no task runs: in a triggerer, in a callback, and for whoever holds the backend itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import logging
import multiprocessing
import pickle  # noqa: TID251 - hosts pickle backends
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from uuid import UUID

import pytest

from lamella.errors import (
    AddressError,
    ConfigError,
    KeyVersionNotFoundError,
    MalformedRefError,
    ManifestRefusedError,
    ObjectNotFoundError,
    RefMismatchError,
)
from lamella.testing import StateBackendContract

CANARY = "CANARY-VALUE"
NOW = dt.datetime.now(dt.timezone.utc)
YESTERDAY, TOMORROW = (f"{NOW + dt.timedelta(days=days):%Y-%m-%d}" for days in (-1, 1))


@pytest.fixture
def home(make_home, monkeypatch):
    """Give a home whose settings this process has."""
    home = make_home()
    for name, value in home.variables.items():
        if name.startswith("AIRFLOW"):
            monkeypatch.setenv(name, value)
    return home


@pytest.fixture
def make(home, monkeypatch):
    """Give what makes the backend, with further options."""

    def make(**options):
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__LAMELLA__{name.upper()}", value)
        return import_module("lamella.airflow").LamellaStateBackend()

    assert home.folder
    return make


@pytest.fixture
def backend(make):
    return make()


@pytest.fixture
def host(home):
    assert home.folder
    return import_module("airflow.sdk.state")


@pytest.fixture
def task(host):
    return host.TaskScope("dag", "run", "task")


@pytest.fixture
def scopes(host):
    """Give scopes of the host of which no two are the same, in regions where it has them."""
    tasks = [host.TaskScope("dag", "run", "task", index) for index in (-1, 0, 1)]
    assets = [host.AssetScope(name="x"), host.AssetScope(uri="x"), host.AssetScope(name="y", uri="x")]
    if "region_id" in inspect.signature(host.TaskScope).parameters:
        for region in (UUID(int=1), UUID(int=2)):
            tasks += [host.TaskScope("dag", "run", "task", index, region) for index in (-1, 0)]
    return [*tasks, *assets]


def _write(backend, scope, key, value):
    kind = "task" if hasattr(scope, "dag_id") else "asset"
    return getattr(backend, f"serialize_{kind}_state_store_to_ref")(value=value, key=key, scope=scope)


def _read(backend, scope, ref):
    kind = "task" if hasattr(scope, "dag_id") else "asset"
    return getattr(backend, f"deserialize_{kind}_state_store_from_ref")(ref)


class _Records(logging.Handler):
    """Keeps the texts; Airflow's own set-up of logging takes away what pytest has set up."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        assert record.levelno == logging.WARNING
        self.texts.append(record.getMessage())


@pytest.fixture
def records():
    """Give the texts of the warning records that are made."""
    kept, logger = _Records(), logging.getLogger("lamella.airflow")
    logger.addHandler(kept)
    yield kept.texts
    logger.removeHandler(kept)


def test_nothing_is_read_or_opened_before_the_first_use(make, home, task):
    backend = make(chain="no-such-layer | directory:///nowhere", keyring="file:/nowhere", colour="red")
    pickle.loads(pickle.dumps(backend))  # noqa: S301 - made here
    with pytest.raises(ConfigError, match="colour"):
        backend.delete(task, "key")
    assert home.objects() == []


@pytest.mark.parametrize(
    "options",
    [
        {"chian": "zstd | directory:///x"},
        {"missing_object": "ignore"},
        {"migrate_until": TOMORROW},
        {"accept_plaintext_until": "soon"},
        {"chain": "no-such-layer | directory:///x"},
        {"fallback_backend": "no.such.Backend", "migrate_until": TOMORROW},
    ],
)
def test_wrong_option_is_named_at_the_first_use(make, task, options):
    backend = make(**options)
    named = "no-such-layer" if "no-such-layer" in options.get("chain", "") else next(iter(options))
    for use in (
        lambda: backend.deserialize_task_state_store_from_ref("no JSON"),
        lambda: backend.delete(task, "key"),
        lambda: asyncio.run(backend.aclear(task)),
    ):
        with pytest.raises(ConfigError, match=named):
            use()


def test_hooks_and_methods_have_the_host_s_signatures(backend, host):
    base = host.BaseStoreBackend
    assert isinstance(backend, base)
    named = [name for name, method in inspect.getmembers(base, inspect.isfunction) if not name.startswith("_")]
    assert len([name for name in named if name.startswith(("serialize", "deserialize"))]) == 4
    for name in named:
        ours, theirs = getattr(type(backend), name), getattr(base, name)
        assert ours is not theirs, name
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs), name
        shapes = [
            [(each.name, each.kind, each.default) for each in inspect.signature(method).parameters.values()]
            for method in (ours, theirs)
        ]
        assert shapes[0] == shapes[1], name


def test_ref_is_the_same_on_each_try_and_hides_the_value(make, scopes, home):
    for scope in scopes:
        refs = {_write(make(), scope, "key", value) for value in ([CANARY], CANARY, 1)}
        assert len(refs) == 1
        assert refs.pop().startswith("lamella:1:")
    assert CANARY.encode() not in b"".join(path.read_bytes() for path in home.objects())


def test_scopes_of_the_host_keep_apart(backend, scopes):
    refs = {number: _write(backend, scope, "key", number) for number, scope in enumerate(scopes)}
    for number, scope in enumerate(scopes[:-1]):
        assert _read(backend, scope, refs[number]) == number
        assert backend.get(scope, "key") == str(number)
        backend.delete(scope, "key")
        with pytest.raises(ObjectNotFoundError):
            _read(backend, scope, refs[number])
    assert _read(backend, scopes[-1], refs[len(scopes) - 1]) == len(scopes) - 1


def test_clearing_all_map_indices_stays_inside_the_region(backend, scopes):
    tasks = [scope for scope in scopes if hasattr(scope, "dag_id")]
    regions = {getattr(scope, "region_id", None) for scope in tasks}
    for region in regions:
        refs = [(scope, _write(backend, scope, "key", 1)) for scope in tasks]
        mine = [scope for scope in tasks if getattr(scope, "region_id", None) == region]
        backend.clear(mine[0])
        assert [backend.get(scope, "key") for scope in mine] == [None] + ["1"] * (len(mine) - 1)
        asyncio.run(backend.aclear(mine[0], all_map_indices=True))
        gone = [scope for scope, _ in refs if backend.get(scope, "key") is None]
        assert gone == mine


def test_where_no_task_runs_every_genuine_ref_is_read(backend, scopes):
    for scope in scopes:
        assert _read(backend, scope, _write(backend, scope, "key", {"x": CANARY})) == {"x": CANARY}


@pytest.mark.parametrize("kind", ["task", "asset"])
def test_hook_refuses_the_scope_of_the_other_kind_before_anything_is_kept(backend, task, host, home, kind):
    scope = host.AssetScope(name="asset") if kind == "task" else task
    write = getattr(backend, f"serialize_{kind}_state_store_to_ref")
    with pytest.raises(AddressError, match=f"for {kind} state"):
        write(value=CANARY, key="key", scope=scope)
    assert home.objects() == []


def test_hook_of_the_other_kind_refuses_a_ref(backend, task, host, records):
    ref = _write(backend, task, "key", CANARY)
    with pytest.raises(RefMismatchError):
        backend.deserialize_asset_state_store_from_ref(ref)
    ref = _write(backend, host.AssetScope(name="x"), "key", CANARY)
    with pytest.raises(RefMismatchError):
        backend.deserialize_task_state_store_from_ref(ref)
    assert len(records) == 2


@pytest.mark.parametrize("stored", [None, 7, True, [CANARY], {"__airflow_state_ref__": CANARY}, b"lamella:1:"])
def test_what_is_no_text_is_refused_whatever_the_policy(make, stored, records):
    backend = make(accept_plaintext_until=TOMORROW)
    with pytest.raises(MalformedRefError):
        backend.deserialize_task_state_store_from_ref(stored)
    (record,) = records
    assert CANARY not in record


@pytest.mark.parametrize("stored", ['{"page": "CANARY-VALUE"}', '"CANARY-VALUE"', "7", "null", CANARY, ""])
@pytest.mark.parametrize("options", [{}, {"accept_plaintext_until": YESTERDAY}], ids=["never", "over"])
def test_plaintext_is_refused_unless_its_date_is_ahead(make, stored, options, records):
    backend = make(**options)
    for read in (backend.deserialize_task_state_store_from_ref, backend.deserialize_asset_state_store_from_ref):
        records.clear()
        with pytest.raises(ManifestRefusedError, match="accept_plaintext_until") as caught:
            read(stored)
        (record,) = records
        assert "ManifestRefusedError" in record
        assert CANARY not in record + str(caught.value)


def test_plaintext_is_read_as_json_until_its_date_with_a_record_of_each_use(make, records):
    backend = make(accept_plaintext_until=TOMORROW)
    assert backend.deserialize_task_state_store_from_ref('{"page": "CANARY-VALUE"}') == {"page": CANARY}
    assert backend.deserialize_asset_state_store_from_ref("7") == 7
    assert [CANARY in record for record in records] == [False, False]
    with pytest.raises(MalformedRefError):
        backend.deserialize_task_state_store_from_ref("no JSON")
    assert "MalformedRefError" in records[-1]


def test_no_hook_returns_none_for_a_row(make):
    backend = make(accept_plaintext_until=TOMORROW)
    with pytest.raises(ObjectNotFoundError):
        backend.deserialize_task_state_store_from_ref("null")


def test_object_that_is_gone_is_none_where_that_is_configured_and_one_record(make, task, records):
    ref = _write(make(), task, "key", CANARY)
    make().clear(task)
    with pytest.raises(ObjectNotFoundError, match="missing_object = none"):
        make().deserialize_task_state_store_from_ref(ref)
    assert len(records) == 1
    backend = make(missing_object="none")
    assert backend.deserialize_task_state_store_from_ref(ref) is None
    assert asyncio.run(backend.adeserialize_task_state_store_from_ref(ref)) is None
    assert len(records) == 3
    assert ["refused" in record for record in records] == [True, False, False]
    with pytest.raises(ManifestRefusedError):
        backend.deserialize_task_state_store_from_ref("7")


def test_other_keyring_reads_nothing(make, task, new_keyring, home, records):
    ref = _write(make(), task, "key", CANARY)
    other = make(keyring=f"file:{new_keyring(home.folder / 'other.keyring')}")
    with pytest.raises(KeyVersionNotFoundError):
        other.deserialize_task_state_store_from_ref(ref)
    assert len(records) == 1


def test_text_of_the_contract_is_kept_verbatim(backend, scopes):
    for scope in scopes:
        backend.set(scope, "text", " [1,  2]", session=None, expires_at=None)
        assert backend.get(scope, "text", session=None) == " [1,  2]"
        asyncio.run(backend.aset(scope, "text", "no JSON"))
        assert asyncio.run(backend.aget(scope, "text")) == "no JSON"
        asyncio.run(backend.adelete(scope, "text"))
        assert backend.get(scope, "text") is None


def test_asynchronous_hooks_do_what_the_others_do(backend, scopes):
    async def both(scope, value):
        kind = "task" if hasattr(scope, "dag_id") else "asset"
        ref = await getattr(backend, f"aserialize_{kind}_state_store_to_ref")(value=value, key="key", scope=scope)
        return ref, await getattr(backend, f"adeserialize_{kind}_state_store_from_ref")(ref)

    for scope in scopes:
        ref, value = asyncio.run(both(scope, {"x": CANARY}))
        assert value == {"x": CANARY}
        assert ref == _write(backend, scope, "key", 1)


def test_nothing_asynchronous_holds_the_loop_while_the_store_is_at_work(backend, task, slow_store):
    ref = _write(backend, task, "key", 1)

    async def run():
        for call, asked in (
            (lambda: backend.aserialize_task_state_store_to_ref(value=1, key="key", scope=task), "put"),
            (lambda: backend.adeserialize_task_state_store_from_ref(ref), "get"),
            (lambda: backend.aset(task, "text", "text"), "put"),
            (lambda: backend.aget(task, "text"), "get"),
            (lambda: backend.adelete(task, "text"), "delete"),
            (lambda: backend.aclear(task), "list"),
        ):
            slow_store.calls.clear()
            await call()
            assert asked in slow_store.calls

    slow_store.run(run())


def test_asynchronous_hooks_need_no_thread_of_the_loop_s_own_pool(backend, scopes):
    released = threading.Event()

    async def run():
        pool = ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(pool)
        pool.submit(released.wait)
        try:
            for scope in scopes:
                kind = "task" if hasattr(scope, "dag_id") else "asset"
                write = getattr(backend, f"aserialize_{kind}_state_store_to_ref")
                ref = await asyncio.wait_for(write(value=CANARY, key="key", scope=scope), 20)
                read = getattr(backend, f"adeserialize_{kind}_state_store_from_ref")
                assert await asyncio.wait_for(read(ref), 20) == CANARY
        finally:
            released.set()

    asyncio.run(run())


def test_opening_the_stack_does_not_hold_the_loop(make, task, monkeypatch):
    module = import_module("lamella.airflow.settings")
    threads = []
    opened = module.open_state_stack

    def noted(*args, **kwargs):
        threads.append(threading.current_thread())
        return opened(*args, **kwargs)

    monkeypatch.setattr(module, "open_state_stack", noted)

    async def run(use):
        await use(make())

    for use in (
        lambda backend: backend.aget(task, "key"),
        lambda backend: backend.aset(task, "key", "text"),
        lambda backend: backend.adelete(task, "key"),
        lambda backend: backend.aclear(task),
        lambda backend: backend.aserialize_task_state_store_to_ref(value=1, key="key", scope=task),
    ):
        asyncio.run(run(use))
    assert len(threads) == 5
    assert threading.main_thread() not in threads


def test_pickled_backend_takes_no_key_along_and_opens_anew(backend, task, home):
    ref = _write(backend, task, "key", CANARY)
    assert _read(backend, task, ref) == CANARY
    pickled = pickle.dumps(backend)
    assert len(pickled) < 300
    assert (home.folder / "lamella.keyring").read_bytes()[-32:] not in pickled
    assert _read(pickle.loads(pickled), task, ref) == CANARY  # noqa: S301 - made here


def _in_child(backend, task, ref, answers):
    answers.put((_read(backend, task, ref), _write(backend, task, "child", 1)))


def test_forked_process_goes_on_with_the_backend_of_its_parent(backend, task):
    ref = _write(backend, task, "key", CANARY)
    forking = multiprocessing.get_context("fork")
    answers = forking.SimpleQueue()
    child = forking.Process(target=_in_child, args=(backend, task, ref, answers))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    value, written = answers.get()
    assert value == CANARY
    assert _read(backend, task, written) == 1


class TestContract(StateBackendContract):
    """The backend keeps the contract of any state backend as well."""

    @pytest.fixture
    def reopen(self, make):
        return make

    @pytest.fixture
    def backend(self, reopen):
        return reopen()

    @pytest.fixture
    def source(self, make):
        assert make
        return "from lamella.airflow import LamellaStateBackend; backend = LamellaStateBackend()"
