"""Lamella's layers around Airflow's own object-storage backend, by `[lamella] store = backend:...`."""

from __future__ import annotations

import asyncio
import gzip
import json
import secrets
from importlib import import_module

import pytest
from airflow_harness.earlier import EARLIER, Earlier
from airflow_harness.server import serving

from lamella.errors import IntegrityError, MalformedRefError, ObjectNotFoundError, RefMismatchError, StackOrderError

CANARY = "CANARY-of-the-wrapped-value"
SMALL = {"token": CANARY}
LARGE = {"token": CANARY, "noise": secrets.token_hex(2000)}
WAYS = {
    "plain": {},
    "threshold": {"threshold": 1000},
    "gzip": {"compression": "gzip"},
    "gzip and threshold": {"compression": "gzip", "threshold": 1000},
}


@pytest.fixture(scope="module")
def _process(make_home):
    with serving(make_home({"lamella.chain": None, "lamella.store": f"backend:{EARLIER}"})):
        yield


@pytest.fixture(params=WAYS)
def earlier(request, _process, tmp_path, monkeypatch):
    return Earlier.make(tmp_path / "earlier", monkeypatch, **WAYS[request.param])


@pytest.fixture
def backend(earlier):
    del earlier
    return import_module("lamella.airflow").LamellaStateBackend()


@pytest.fixture
def scopes(earlier):
    del earlier
    state = import_module("airflow.sdk.state")
    task = ("payroll", "manual__2026-11-22T00:00:00+00:00", "extract")
    return {
        "task": state.TaskScope(*task),
        "mapped": state.TaskScope(*task, 3),
        "name": state.AssetScope(name="ledger"),
        "uri": state.AssetScope(uri="s3://bucket/ledger"),
    }


def _kind(scope):
    return "task" if hasattr(scope, "dag_id") else "asset"


def _write(backend, scope, key, value):
    return getattr(backend, f"serialize_{_kind(scope)}_state_store_to_ref")(value=value, key=key, scope=scope)


def _read(backend, scope, ref):
    return getattr(backend, f"deserialize_{_kind(scope)}_state_store_from_ref")(ref)


def _plainly(path):
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


@pytest.mark.parametrize("value", [SMALL, LARGE, "", 0, [None, {"ä": 1.5}], "lamella:1:no ref"])
@pytest.mark.parametrize("of", ["task", "mapped", "name", "uri"])
def test_value_is_read_back_and_its_ref_is_ours(backend, scopes, of, value):
    ref = _write(backend, scopes[of], "cursor/ä", value)
    assert ref.startswith("lamella:1:")
    assert CANARY not in ref
    assert _read(backend, scopes[of], ref) == value


@pytest.mark.parametrize("of", ["task", "mapped", "name", "uri"])
def test_nothing_in_the_folder_of_the_wrapped_backend_is_plain(backend, earlier, scopes, of):
    for key, value in {"small": SMALL, "large": LARGE}.items():
        _write(backend, scopes[of], key, value)
    kept = earlier.objects()
    assert kept
    for path in kept:
        assert CANARY.encode() not in _plainly(path)
        json.loads(_plainly(path))


@pytest.mark.parametrize("earlier", ["threshold"], indirect=True)
def test_what_the_wrapped_backend_keeps_inline_travels_in_our_ref(backend, earlier, scopes):
    ref = _write(backend, scopes["task"], "cursor", SMALL)
    assert earlier.objects() == []
    assert _read(backend, scopes["task"], ref) == SMALL


def test_same_key_has_the_same_ref_when_the_object_rests_outside(backend, scopes):
    refs = {_write(backend, scopes["task"], "cursor", LARGE) for _ in range(2)}
    assert len(refs) == 1


def test_delete_removes_one_object_and_clear_those_of_the_scope(backend, earlier, scopes):
    for scope in scopes.values():
        for key in ("one", "two"):
            _write(backend, scope, key, LARGE)
    assert len(earlier.objects()) == 8
    for scope in scopes.values():
        backend.delete(scope, "one")
    assert {path.name.removesuffix(".gz") for path in earlier.objects()} == {"two"}
    backend.clear(scopes["task"])
    assert len(earlier.objects()) == 3
    backend.clear(scopes["name"])
    asyncio.run(backend.adelete(scopes["uri"], "two"))
    assert [path.parent.name for path in earlier.objects()] == ["3"]
    asyncio.run(backend.aclear(scopes["task"], all_map_indices=True))
    assert earlier.objects() == []


def test_object_that_is_gone_is_an_error(backend, earlier, scopes):
    ref = _write(backend, scopes["task"], "cursor", LARGE)
    (path,) = earlier.objects()
    path.unlink()
    with pytest.raises(ObjectNotFoundError):
        _read(backend, scopes["task"], ref)


def test_object_that_is_gone_is_none_where_that_is_configured(backend, earlier, scopes, monkeypatch):
    ref = _write(backend, scopes["name"], "cursor", LARGE)
    (path,) = earlier.objects()
    path.unlink()
    monkeypatch.setenv("AIRFLOW__LAMELLA__MISSING_OBJECT", "none")
    assert _read(type(backend)(), scopes["name"], ref) is None


def test_object_that_was_moved_inside_the_wrapped_backend_is_refused(backend, earlier, scopes):
    ref = _write(backend, scopes["task"], "one", LARGE)
    (path,) = earlier.objects()
    other = _write(backend, scopes["task"], "two", LARGE)
    (moved,) = set(earlier.objects()) - {path}
    path.rename(moved)
    with pytest.raises(IntegrityError):
        _read(backend, scopes["task"], other)
    with pytest.raises(RefMismatchError):
        backend.deserialize_asset_state_store_from_ref(ref)


def test_text_is_kept_sealed_and_given_back_as_it_was(backend, earlier, scopes):
    for scope in scopes.values():
        backend.set(scope, "text", json.dumps(LARGE, indent=2))
        assert backend.get(scope, "text") == json.dumps(LARGE, indent=2)
        assert backend.get(scope, "absent") is None
    assert all(CANARY.encode() not in _plainly(path) for path in earlier.objects())


def test_another_process_reads_what_one_wrote(backend, scopes):
    ref = _write(backend, scopes["task"], "cursor", SMALL)
    assert _read(type(backend)(), scopes["task"], ref) == SMALL


@pytest.mark.parametrize("earlier", ["plain"], indirect=True)
def test_chunks_are_refused_since_the_wrapped_backend_lists_nothing(backend, scopes, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LAMELLA__LAYERS", "zstd | padme | cobblestone256 | chunk")
    with pytest.raises(StackOrderError, match="chunk"):
        _write(backend, scopes["task"], "cursor", SMALL)


def test_planted_place_is_never_handed_to_the_wrapped_backend(backend, earlier, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LAMELLA__ACCEPT_PLAINTEXT_UNTIL", "9999-12-31")
    secret = earlier.folder.parent / "secret.json"
    secret.write_text(json.dumps(CANARY))
    (earlier.folder / "inside.json").parent.mkdir(exist_ok=True)
    (earlier.folder / "inside.json").write_text(json.dumps(CANARY))
    for planted in (f"{earlier.base}/../secret.json", f"file://{secret}", f"{earlier.base}/inside.json"):
        with pytest.raises(MalformedRefError):
            backend.deserialize_task_state_store_from_ref(planted)
