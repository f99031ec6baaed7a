"""What Airflow's own object-storage backend wrote before, read by `[lamella] fallback_backend` until a date."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import json
import logging
import secrets
from importlib import import_module
from types import SimpleNamespace
from uuid import UUID

import pytest
from airflow_harness.earlier import EARLIER, Earlier
from airflow_harness.server import serving

from lamella.errors import (
    ConfigError,
    LimitExceededError,
    MalformedRefError,
    ManifestRefusedError,
    ObjectNotFoundError,
    RefError,
    RefMismatchError,
    StoreConflictError,
    UnsealedValueError,
)
from lamella.scope import Address, AssetScope, TaskScope

CANARY = "CANARY-of-the-earlier-value"
VALUE = {"token": CANARY}
LARGE = {"token": CANARY, "noise": secrets.token_hex(2000)}
TASK = TaskScope("payroll", "manual__2026-11-22T00:00:00+00:00", "extract", 3)
LEDGER = AssetScope(name="ledger")
WAYS = {"plain": {}, "threshold": {"threshold": 1000}, "gzip": {"compression": "gzip"}}


def _day(days):
    return f"{dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=days):%Y-%m-%d}"


@pytest.fixture(scope="module")
def _process(make_home):
    with serving(make_home({"lamella.fallback_backend": EARLIER, "lamella.migrate_until": _day(1)})):
        yield


@pytest.fixture(params=WAYS)
def earlier(request, _process, tmp_path, monkeypatch):
    return Earlier.make(tmp_path / "earlier", monkeypatch, **WAYS[request.param])


one_way = pytest.mark.parametrize("earlier", ["plain"], indirect=True)


@pytest.fixture
def backend(earlier):
    del earlier
    return import_module("lamella.airflow").LamellaStateBackend()


@pytest.fixture
def fallback(earlier):
    del earlier
    settings = import_module("lamella.airflow.settings").read_settings()
    return import_module("lamella.airflow.fallback").open_fallback(settings)


def _given(scope):
    """Give the host's own scope."""
    state = import_module("airflow.sdk.state")
    if isinstance(scope, AssetScope):
        return state.AssetScope(name=scope.name, uri=scope.uri)
    return state.TaskScope(scope.dag_id, scope.run_id, scope.task_id, scope.map_index)


def _written(earlier, scope, key, value=VALUE):
    hook = getattr(earlier.backend, f"serialize_{scope.kind}_state_store_to_ref")
    return hook(value=value, key=key, scope=_given(scope))


def _running(*tasks, assets=()):
    """Give a caller, as far as it says whose values may be asked for."""
    return SimpleNamespace(scopes=lambda kind: iter(assets if kind == "asset" else tasks))


@pytest.mark.parametrize("scope", [TASK, LEDGER, AssetScope(uri="s3://bucket/ledger")], ids=["task", "name", "uri"])
@pytest.mark.parametrize("key", ["cursor", "a/b ä?#%2e", "..dots", "x" * 200])
def test_value_of_the_earlier_backend_is_read_until_the_date(earlier, backend, scope, key):
    ref = _written(earlier, scope, key)
    assert getattr(backend, f"deserialize_{scope.kind}_state_store_from_ref")(ref) == VALUE


def test_running_task_reads_what_is_its_own(earlier, fallback):
    ref = _written(earlier, TASK, "cursor")
    assert fallback.read("task", ref, _running(TASK)) == VALUE
    ref = _written(earlier, LEDGER, "cursor")
    assert fallback.read("asset", ref, _running(TASK, assets=(AssetScope(name="other"), LEDGER))) == VALUE


@one_way
@pytest.mark.parametrize(
    "other",
    [
        TaskScope("payroll", TASK.run_id, "extract", 4),
        TaskScope("payroll", TASK.run_id, "extract"),
        TaskScope("payroll", TASK.run_id, "extract", 31),
        TaskScope("payroll", TASK.run_id, "load", 3),
        TaskScope("payroll", "other", "extract", 3),
        TaskScope("other", TASK.run_id, "extract", 3),
        TaskScope("payroll", TASK.run_id, "extract", 3, region_id="018f0000-0000-7000-8000-000000000001"),
    ],
    ids=["index", "unmapped", "prefix", "task", "run", "dag", "region"],
)
def test_place_of_another_task_is_refused(earlier, fallback, other):
    ref = _written(earlier, TASK, "cursor")
    with pytest.raises(RefMismatchError):
        fallback.read("task", ref, _running(other))


@one_way
def test_place_of_an_asset_that_the_task_does_not_declare_is_refused(earlier, fallback):
    ref = _written(earlier, LEDGER, "cursor")
    for assets in ((), (AssetScope(name="ledge"), AssetScope(uri="ledger/"))):
        with pytest.raises(RefMismatchError):
            fallback.read("asset", ref, _running(TASK, assets=assets))


@one_way
def test_place_of_a_task_is_none_of_an_asset_nor_the_reverse(earlier, fallback):
    task = TaskScope("assets", "run", "cursor")
    for kind, scope in (("asset", task), ("task", LEDGER)):
        for caller in (None, _running(task, assets=(LEDGER,))):
            with pytest.raises(RefMismatchError):
                fallback.read(kind, _written(earlier, scope, "cursor"), caller)


@one_way
@pytest.mark.parametrize(
    "forged",
    [
        "file://{base}/../x.json",
        "file://{base}/../../x.json",
        "file://{base}/payroll/run/extract/3/../../../../../x.json",
        "file://{base}/payroll/../payroll/extract/3/cursor",
        "file://{base}/payroll/run/extract/3/%2e%2e",
        "file://{base}/payroll/run/extract/3/..",
        "file://{base}/payroll/run/extract/3/.",
        "file://{base}/payroll/run//3/cursor",
        "file://{base}/payroll/run/extract/3/cursor/",
        "file://{base}/payroll/run/extract/3/cur%73or",
        "file://{base}/payroll/run/extract/3/cursor?x",
        "file://{base}/payroll/run/extract/3/cursor#x",
        "file://{base}/payroll/run/extract/3/cursor\n",
        "file://{base}/payroll/run/extract/3/cursor\0",
        "file://{base}/payroll/run/extract/3\\cursor",
        "file://{base}-of-another/payroll/run/extract/3/cursor",
        "file://{base}",
        "file://{base}/",
        "file:{base}/payroll/run/extract/3/cursor",
        "FILE://{base}/payroll/run/extract/3/cursor",
        "file://localhost{base}/payroll/run/extract/3/cursor",
        "local://{base}/payroll/run/extract/3/cursor",
        "simplecache::file://{base}/payroll/run/extract/3/cursor",
        "{base}/payroll/run/extract/3/cursor",
        "s3://bucket/payroll/run/extract/3/cursor",
        "file://{base}/payroll/run/extract/3/\ud800",
        "file://{base}/payroll/run/extract/3/" + "x" * 32_768,
        "file://{base}" + "/x" * 100_000,
        "no ref and no JSON",
        "",
    ],
    ids=lambda text: ascii(text[:60]),
)
def test_forged_ref_is_refused_before_anything_is_opened(earlier, fallback, backend, monkeypatch, forged):
    (earlier.folder / "payroll/run/extract/3").mkdir(parents=True)
    for path in (earlier.folder.parent / "x.json", earlier.folder / "payroll/run/extract/3/cursor"):
        path.write_text(json.dumps(VALUE))
    forged = forged.format(base=earlier.folder)
    monkeypatch.setattr(type(earlier.backend), "deserialize_task_state_store_from_ref", _never)
    with pytest.raises(RefError):
        fallback.read("task", forged, None)
    with pytest.raises(RefError):
        backend.deserialize_task_state_store_from_ref(forged)


def _never(self, stored):
    raise AssertionError(f"{type(self).__name__} was asked for {stored}")


@one_way
def test_link_out_of_the_base_is_not_followed(earlier, fallback):
    ref = _written(earlier, TASK, "cursor")
    (path,) = earlier.objects()
    outside = earlier.folder.parent / "outside.json"
    outside.write_text(json.dumps(VALUE))
    path.unlink()
    path.symlink_to(outside)
    with pytest.raises(MalformedRefError, match="link"):
        fallback.read("task", ref, None)


@one_way
def test_base_that_is_itself_behind_a_link_is_read(earlier, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(earlier.folder)
    _written(earlier, TASK, "first")
    linked = Earlier.make(tmp_path / "link", monkeypatch)
    settings = import_module("lamella.airflow.settings").read_settings()
    fallback = import_module("lamella.airflow.fallback").open_fallback(settings)
    assert fallback.read("task", _written(linked, TASK, "cursor"), None) == VALUE


@one_way
@pytest.mark.parametrize("spelling", ["file://{}/", "file:{}"])
def test_base_is_taken_as_airflow_spells_it(earlier, monkeypatch, spelling):
    ref = _written(earlier, TASK, "cursor")
    monkeypatch.setenv("AIRFLOW__LAMELLA__FALLBACK_BASE", spelling.format(earlier.folder))
    monkeypatch.delenv("AIRFLOW__COMMON_IO__STATE_STORE_OBJECTSTORAGE_PATH")
    backend = import_module("lamella.airflow").LamellaStateBackend()
    assert backend.deserialize_task_state_store_from_ref(ref) == VALUE


@one_way
@pytest.mark.parametrize("base", ["s3://conn@bucket/state", "s3://bucket/state"])
def test_ref_must_have_the_scheme_connection_and_bucket_of_the_base(earlier, monkeypatch, base):
    places = import_module("lamella.airflow.places").Places(base, is_laid_out=True)
    del earlier, monkeypatch
    below = "payroll/run/extract/3/cursor"
    places.admit("task", f"{base}/{below}", None)
    for other in ("s3://bucket/state", "s3://conn@bucket/state", "s3://conn@other/state", "gs://conn@bucket/state"):
        if other != base:
            with pytest.raises(MalformedRefError):
                places.admit("task", f"{other}/{below}", None)


@one_way
@pytest.mark.parametrize("stored", ["1", '"text"', "[1, null]", '{"token": "x"}', "true"])
def test_value_that_the_earlier_backend_left_inline_is_read(earlier, fallback, stored):
    del earlier
    assert fallback.read("task", stored, _running(TASK)) == json.loads(stored)


@pytest.mark.parametrize("scope", [TASK, LEDGER], ids=["task", "asset"])
def test_getter_gives_the_value_of_the_key_that_it_asks_for_alone(earlier, backend, caplog, scope):
    ref = _written(earlier, scope, "cursor", LARGE)
    others = [TaskScope(TASK.dag_id, TASK.run_id, TASK.task_id, 4), AssetScope(name="journal")]
    backend.reader.check(scope.kind, ref, None, Address(scope, "cursor"))
    for other, key in ((scope, "other"), *((other, "cursor") for other in others)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="lamella.airflow"), pytest.raises(RefMismatchError):
            backend.reader.check(scope.kind, ref, None, Address(other, key))
        assert [record.name for record in caplog.records] == ["lamella.airflow"]


@one_way
@pytest.mark.parametrize("stored", ["1", '"planted"', '{"token": "x"}'])
def test_getter_takes_no_inline_value_unless_plaintext_is_accepted(earlier, backend, monkeypatch, stored):
    del earlier
    expected = Address(TASK, "cursor")
    with pytest.raises(UnsealedValueError, match="earlier backend"):
        backend.reader.check("task", stored, None, expected)
    monkeypatch.setenv("AIRFLOW__LAMELLA__ACCEPT_PLAINTEXT_UNTIL", "9999-12-31")
    reader = type(backend)().reader
    reader.check("task", stored, None, expected)
    assert reader.open("task", stored, None) == json.loads(stored)


@pytest.mark.parametrize("earlier", ["gzip"], indirect=True)
def test_place_of_a_compressed_key_is_none_of_the_key_that_ends_in_the_suffix(earlier, fallback):
    for key, other in (("cursor", "cursor.gz"), ("cursor.gz", "cursor")):
        ref = _written(earlier, TASK, key)
        fallback.expect("task", ref, (TASK,), key)
        with pytest.raises(RefMismatchError):
            fallback.expect("task", ref, (TASK,), other)


@one_way
def test_key_may_end_in_what_the_earlier_backend_takes_for_no_suffix(earlier, fallback, monkeypatch):
    monkeypatch.setattr(import_module("fsspec.utils"), "compressions", {"gz": "gzip"})
    ref = _written(earlier, TASK, "cursor.zst")
    fallback.expect("task", ref, (TASK,), "cursor.zst")
    assert fallback.read("task", ref, _running(TASK)) == VALUE
    with pytest.raises(RefMismatchError):
        fallback.expect("task", ref, (TASK,), "cursor")


@one_way
def test_value_that_was_compressed_before_is_read_when_no_longer_compressing(earlier, monkeypatch):
    compressing = Earlier.make(earlier.folder, monkeypatch, compression="gzip")
    ref = _written(compressing, TASK, "cursor")
    Earlier.make(earlier.folder, monkeypatch, compression="")
    fallback = import_module("lamella.airflow.fallback").open_fallback(
        import_module("lamella.airflow.settings").read_settings()
    )
    assert fallback.read_row(ref, TASK, "cursor") == VALUE


def test_each_use_is_one_record_without_the_value(earlier, backend, caplog):
    ref = _written(earlier, TASK, "cursor")
    with caplog.at_level(logging.WARNING, logger="lamella.airflow"):
        backend.deserialize_task_state_store_from_ref(ref)
    (record,) = [each for each in caplog.records if each.name == "lamella.airflow"]
    assert record.levelno == logging.WARNING
    assert "fallback" in record.getMessage()
    assert CANARY not in record.getMessage()


def test_each_refusal_is_one_record_without_the_value(earlier, backend, caplog):
    ref = _written(earlier, TASK, "cursor")
    with caplog.at_level(logging.WARNING, logger="lamella.airflow"), pytest.raises(RefError):
        backend.deserialize_asset_state_store_from_ref(f"file://{earlier.folder}/../{ref}")
    (record,) = [each for each in caplog.records if each.name == "lamella.airflow"]
    assert CANARY not in record.getMessage()


@one_way
def test_refusal_of_a_value_above_a_limit_is_one_record(earlier, backend, monkeypatch, caplog):
    ref = backend.serialize_task_state_store_to_ref(value=LARGE, key="cursor", scope=_given(TASK))
    config = earlier.folder.parent / "lamella.toml"
    config.write_text("[limits]\nmax_value_bytes = 100\n")
    monkeypatch.setenv("AIRFLOW__LAMELLA__CONFIG", str(config))
    with caplog.at_level(logging.WARNING, logger="lamella.airflow"), pytest.raises(LimitExceededError):
        type(backend)().deserialize_task_state_store_from_ref(ref)
    (record,) = [each for each in caplog.records if each.name == "lamella.airflow"]
    assert "LimitExceededError" in record.getMessage()


def test_after_the_date_it_is_refused_with_an_error_that_says_so(earlier, monkeypatch):
    ref = _written(earlier, TASK, "cursor")
    monkeypatch.setenv("AIRFLOW__LAMELLA__MIGRATE_UNTIL", _day(-1))
    backend = import_module("lamella.airflow").LamellaStateBackend()
    with pytest.raises(ManifestRefusedError, match="migrate_until"):
        backend.deserialize_task_state_store_from_ref(ref)


def test_on_the_last_day_it_is_read(earlier, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LAMELLA__MIGRATE_UNTIL", _day(0))
    backend = import_module("lamella.airflow").LamellaStateBackend()
    assert backend.deserialize_task_state_store_from_ref(_written(earlier, TASK, "cursor")) == VALUE


@one_way
def test_object_that_is_gone_is_an_error_or_none_as_configured(earlier, backend, monkeypatch):
    ref = _written(earlier, TASK, "cursor")
    (path,) = earlier.objects()
    path.unlink()
    with pytest.raises(ObjectNotFoundError):
        backend.deserialize_task_state_store_from_ref(ref)
    monkeypatch.setenv("AIRFLOW__LAMELLA__MISSING_OBJECT", "none")
    assert type(backend)().deserialize_task_state_store_from_ref(ref) is None


def test_delete_and_clear_take_what_both_backends_keep(earlier, backend):
    for scope in (TASK, TaskScope("payroll", TASK.run_id, "extract", 4), LEDGER):
        for key in ("one", "two", "three"):
            _written(earlier, scope, key, LARGE)
    backend.delete(_given(TASK), "one")
    asyncio.run(backend.adelete(_given(LEDGER), "one"))
    assert len(earlier.objects()) == 7
    backend.clear(_given(TASK))
    assert len(earlier.objects()) == 5
    asyncio.run(backend.aclear(_given(LEDGER)))
    assert len(earlier.objects()) == 3
    backend.clear(_given(TASK), all_map_indices=True)
    assert earlier.objects() == []


def test_delete_does_not_fail_on_names_that_the_earlier_backend_never_took(earlier, backend):
    del earlier
    for key in (".", "..", "k" * 512, "k" * 253):
        backend.delete(_given(TASK), key)
    for name in (".", "..", "n" * 400):
        backend.clear(_given(AssetScope(name=name)))
        asyncio.run(backend.aclear(_given(TaskScope(name, "run", "task"))))


def test_text_that_the_layers_put_in_the_same_place_is_not_taken_for_a_value(earlier, backend, monkeypatch, caplog):
    ref = _written(earlier, TASK, "cursor", LARGE)
    monkeypatch.delenv("AIRFLOW__LAMELLA__CHAIN")
    monkeypatch.setenv("AIRFLOW__LAMELLA__STORE", f"backend:{EARLIER}")
    wrapped = type(backend)()
    ours = wrapped.serialize_task_state_store_to_ref(value=LARGE | {"page": 2}, key="cursor", scope=_given(TASK))
    with caplog.at_level(logging.WARNING, logger="lamella.airflow"), pytest.raises(StoreConflictError):
        wrapped.deserialize_task_state_store_from_ref(ref)
    (record,) = [each for each in caplog.records if each.name == "lamella.airflow"]
    assert "StoreConflictError" in record.getMessage()
    assert wrapped.deserialize_task_state_store_from_ref(ours)["token"] == CANARY


@one_way
@pytest.mark.parametrize("path", ["airflow_harness.no.such", "airflow_harness.other.NoBackend"])
def test_class_that_cannot_be_the_fallback_is_a_configuration_error(earlier, monkeypatch, path):
    monkeypatch.setenv("AIRFLOW__LAMELLA__FALLBACK_BACKEND", path)
    backend = import_module("lamella.airflow").LamellaStateBackend()
    with pytest.raises(ConfigError, match="fallback_backend"):
        backend.deserialize_task_state_store_from_ref(f"{earlier.base}/x")


@one_way
def test_fallback_without_a_date_is_a_configuration_error(earlier, monkeypatch):
    del earlier
    monkeypatch.delenv("AIRFLOW__LAMELLA__MIGRATE_UNTIL")
    with pytest.raises(ConfigError, match="migrate_until"):
        import_module("lamella.airflow.settings").read_settings()


@pytest.fixture
def own(earlier, monkeypatch):
    """Give a fallback whose class is somebody's own."""
    monkeypatch.setenv("AIRFLOW__LAMELLA__FALLBACK_BACKEND", "airflow_harness.other.OwnBackend")
    monkeypatch.setenv("AIRFLOW__LAMELLA__FALLBACK_BASE", earlier.base)
    settings = import_module("lamella.airflow.settings").read_settings()
    return import_module("lamella.airflow.fallback").open_fallback(settings)


@one_way
def test_of_somebodys_own_backend_the_base_alone_is_checked(earlier, own):
    ref = _written(earlier, TASK, "cursor")
    assert own.read("task", ref, _running(TaskScope("other", "run", "task"))) == VALUE
    assert own.read("asset", ref, _running()) == VALUE


@one_way
@pytest.mark.parametrize(
    "below",
    [
        *("../x", "a/../../x", "%2e%2e/x", "%252e%252e/x", "a%2f..%2f..%2fx", "..\\x", "a//x", "./x", "x\n", "x\0", ""),
        *("%" + "25" * 16 + "2e./x", "%" + "25" * 10_000, "%" + "25" * 100_000, "\ud800", "x/" * 100_000 + "x"),
    ],
    ids=lambda text: ascii(text[:60]),
)
def test_of_somebodys_own_backend_no_ref_leaves_the_base(own, earlier, monkeypatch, below):
    monkeypatch.setattr(type(earlier.backend), "deserialize_task_state_store_from_ref", _never)
    with pytest.raises(MalformedRefError):
        own.read("task", f"{earlier.base}/{below}", None)


@one_way
def test_somebodys_own_backend_without_a_base_gives_inline_values_alone(earlier, monkeypatch):
    ref = _written(earlier, TASK, "cursor")
    monkeypatch.setenv("AIRFLOW__LAMELLA__FALLBACK_BACKEND", "airflow_harness.other.OwnBackend")
    monkeypatch.delenv("AIRFLOW__COMMON_IO__STATE_STORE_OBJECTSTORAGE_PATH")
    backend = import_module("lamella.airflow").LamellaStateBackend()
    assert backend.deserialize_task_state_store_from_ref("[1]") == [1]
    with pytest.raises(MalformedRefError, match="fallback_base"):
        backend.deserialize_task_state_store_from_ref(ref)


def test_layout_is_that_of_airflows_own_backend(earlier, fallback):
    state, scopes = import_module("airflow.sdk.state"), import_module("lamella.state.scopes")
    names = ("a/b ä", "manual__2026-11-22T00:00:00+00:00", "~t.k-_=")
    regions = (
        [{"region_id": UUID(int=2**100 + 1)}] if "region_id" in inspect.signature(state.TaskScope).parameters else []
    )
    given = [state.TaskScope(*names, 12, **region) for region in ({}, *regions)]
    given += [state.AssetScope(name="s3://b/?x#y"), state.AssetScope(uri="s3://b/%2F")]
    for scope in (scopes.owner_of(each) for each in given):
        hook = getattr(earlier.backend, f"serialize_{scope.scope.kind}_state_store_to_ref")
        for key in ("cursor", "a/b.tar", "ä"):
            ref = hook(value=LARGE, key=key, scope=scope.given)
            fallback.expect(scope.scope.kind, ref, (scope.scope,), key)
            with pytest.raises(RefMismatchError):
                fallback.expect(scope.scope.kind, ref, (scope.scope,), "other")
