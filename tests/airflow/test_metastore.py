"""The server's side against Airflow's own backend and a migrated database."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import json
import secrets
import threading
from uuid import UUID

import pytest
from airflow_harness.server import SERVER_SIDE, serving

from lamella.errors import (
    ConfigError,
    KeyringError,
    KeyVersionNotFoundError,
    LimitExceededError,
    ManifestRefusedError,
    RefMismatchError,
    RefTagError,
)
from lamella.limits import DEFAULT_LIMITS

TEXTS = [
    '{"token": "secret", "\\u00e4": [1, null]}',
    " [1,   2]\n",
    '"ä and \\u00e4"',
    "null",
    '""',
    '"lamella:1:no ref"',
    '{"__airflow_state_ref__": "lamella:1:00000000:main:zstd.1"}',
    "no JSON",
    "",
]
MEDIUMTEXT_BYTES = 2**24 - 1
NOW = dt.datetime.now(dt.timezone.utc)
YESTERDAY, TOMORROW = (f"{NOW + dt.timedelta(days=days):%Y-%m-%d}" for days in (-1, 1))
WRITER = {"dag_id": "etl", "run_id": "monday", "task_id": "load", "map_index": -1}


@pytest.fixture(scope="module")
def server(make_home):
    with serving(make_home(SERVER_SIDE)) as server:
        host = server.host
        with host.create_session() as session:
            session.add(host.DagRun(dag_id="etl", run_id="monday", run_type="manual"))
            session.add_all(host.AssetModel(id=number, name=f"asset {number}", uri=f"x:{number}") for number in (1, 2))
        yield server


@pytest.fixture
def backend(server):
    return server.backend


@pytest.fixture
def under(server, monkeypatch):
    """Give what makes the backend of a server with other settings."""

    def under(**options):
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__LAMELLA__{name.upper()}", value)
        return server.host.metastore.LamellaMetastoreBackend()

    return under


@pytest.fixture
def scope_of(server):
    """Give the scopes of state by name; a mapped task stands in a region where Airflow has them."""
    host = server.host
    region = {"region_id": UUID(int=7)} if host.HAS_REGIONS else {}
    return {
        "task": host.TaskScope("etl", "monday", "load"),
        "mapped": host.TaskScope("etl", "monday", "load", 3, **region),
        "mapped too": host.TaskScope("etl", "monday", "load", 4, **region),
        "other task": host.TaskScope("etl", "monday", "extract"),
        "asset": host.AssetScope(asset_id=1),
        "other asset": host.AssetScope(asset_id=2),
    }


@pytest.fixture(params=["task", "mapped", "asset"])
def scope(request, scope_of):
    return scope_of[request.param]


@pytest.fixture(scope="module")
def other_keyring(tmp_path_factory, new_keyring):
    return new_keyring(tmp_path_factory.mktemp("keyring") / "other.keyring")


@pytest.fixture
def key():
    return f"folder/{secrets.token_hex(4)}"


@pytest.fixture
def canary():
    return secrets.token_hex(12)


@pytest.fixture
def records(caplog):
    """Give what gives the texts of this provider's warning records."""
    return lambda: [record.getMessage() for record in caplog.records if record.name == "lamella.airflow"]


@pytest.mark.parametrize("text", TEXTS)
def test_get_gives_exactly_the_text_that_set_got(backend, scope, key, text):
    backend.set(scope, key, text)
    assert backend.get(scope, key) == text


@pytest.mark.parametrize("text", TEXTS)
def test_async_get_gives_exactly_the_text_that_async_set_got(backend, scope, key, text):
    async def there_and_back():
        await backend.aset(scope, key, text)
        return await backend.aget(scope, key)

    assert asyncio.run(there_and_back()) == text
    assert backend.get(scope, key) == text


def test_row_is_one_json_string_and_the_value_stands_nowhere_in_the_database(server, scope, key, canary):
    server.backend.set(scope, key, json.dumps(canary))
    assert json.loads(server.stored(key)).startswith("lamella:1:")
    assert canary.encode() not in server.home.stored_bytes()


def test_overwritten_value_is_the_new_one(backend, scope, key):
    backend.set(scope, key, "1")
    backend.set(scope, key, "2")
    assert backend.get(scope, key) == "2"


def test_absent_row_is_none(backend, scope, key):
    assert backend.get(scope, key) is None
    assert asyncio.run(backend.aget(scope, key)) is None


def test_given_session_is_the_one_that_is_used(server, backend, scope, key):
    with server.host.create_session() as session:
        backend.set(scope, key, "1", session=session)
        assert backend.get(scope, key, session=session) == "1"
        session.rollback()
        assert backend.get(scope, key, session=session) is None


def test_given_async_session_is_the_one_that_is_used(server, backend, scope, key):
    async def in_one_session():
        async with server.host.create_session_async() as session:
            await backend.aset(scope, key, "1", session=session)
            assert await backend.aget(scope, key, session=session) == "1"
            await session.rollback()
            assert await backend.aget(scope, key, session=session) is None

    asyncio.run(in_one_session())


def test_delete_and_clear_take_sealed_rows_away(backend, scope, key):
    for remove in (lambda: backend.delete(scope, key), lambda: backend.clear(scope)):
        backend.set(scope, key, "1")
        remove()
        assert backend.get(scope, key) is None


def test_async_delete_and_clear_take_sealed_rows_away(backend, scope, key):
    async def remove():
        await backend.aset(scope, key, "1")
        await backend.adelete(scope, key)
        assert await backend.aget(scope, key) is None
        await backend.aset(scope, key, "1")
        await backend.aclear(scope)
        assert await backend.aget(scope, key) is None

    asyncio.run(remove())


def test_clear_keeps_other_map_indices_unless_it_is_told_not_to(backend, scope_of, key):
    mapped, too = scope_of["mapped"], scope_of["mapped too"]
    backend.set(mapped, key, "3")
    backend.set(too, key, "4")
    backend.clear(mapped)
    assert backend.get(too, key) == "4"
    backend.clear(mapped, all_map_indices=True)
    assert backend.get(too, key) is None


@pytest.mark.parametrize("name", ["set_asset_state_store", "aset_asset_state_store"])
def test_writer_of_an_asset_is_recorded_beside_the_sealed_value(server, scope_of, key, canary, name):
    host, asset = server.host, scope_of["asset"]
    given = {"kind": host.AssetStateStoreWriterKind.TASK, **WRITER}
    written = getattr(server.backend, name)(asset, key, json.dumps(canary), **given)
    if name.startswith("a"):
        asyncio.run(written)
    with host.create_session() as session:
        row = session.query(host.AssetStateStoreModel).filter_by(key=key).one()
        recorded = {each: getattr(row, f"last_updated_by_{each}") for each in ("kind", *WRITER)}
    assert recorded == {"kind": "task", **WRITER}
    assert server.backend.get(asset, key) == json.dumps(canary)
    assert canary.encode() not in server.home.stored_bytes()


def test_writer_is_still_validated_by_airflow(server, backend, scope_of, key):
    with pytest.raises(ValueError, match="requires dag_id"):
        backend.set_asset_state_store(scope_of["asset"], key, "1", kind=server.host.AssetStateStoreWriterKind.TASK)
    assert backend.get(scope_of["asset"], key) is None


def test_every_public_method_of_the_host_that_takes_a_value_is_overridden(server, backend):
    takes_value = {
        name
        for name, method in inspect.getmembers(server.host.MetastoreBackend, inspect.isfunction)
        if not name.startswith("_") and "value" in inspect.signature(method).parameters
    }
    assert {"set", "aset", "set_asset_state_store", "aset_asset_state_store"} <= takes_value
    assert takes_value <= vars(type(backend)).keys()


def test_what_is_left_of_the_host_removes_rows(server, backend):
    public = {name for name, _ in inspect.getmembers(server.host.MetastoreBackend, callable) if name[0] != "_"}
    assert public - vars(type(backend)).keys() == {"delete", "clear", "adelete", "aclear", "cleanup"}


@pytest.mark.parametrize("kind", ["task", "asset"])
def test_hooks_of_workers_refuse_to_hand_out_a_value_in_clear(backend, scope_of, key, kind):
    hook = getattr(backend, f"serialize_{kind}_state_store_to_ref")
    with pytest.raises(ConfigError, match="LamellaStateBackend"):
        hook(value=1, key=key, scope=scope_of[kind])


@pytest.mark.parametrize("kind", ["task", "asset"])
def test_hooks_of_workers_refuse_to_take_a_value_in_clear(backend, kind):
    hook = getattr(backend, f"deserialize_{kind}_state_store_from_ref")
    with pytest.raises(ConfigError, match="LamellaStateBackend"):
        hook("7")


def test_row_that_the_rest_api_wrote_is_refused(server, scope, key, canary, records):
    server.plant(scope, key, json.dumps(canary))
    with pytest.raises(ManifestRefusedError, match="is not sealed"):
        server.backend.get(scope, key)
    assert len(records()) == 1
    with pytest.raises(ManifestRefusedError, match="is not sealed"):
        asyncio.run(server.backend.aget(scope, key))
    assert len(records()) == 2
    assert all(key in record and canary not in record for record in records())


def test_row_that_the_rest_api_wrote_is_read_until_the_day_that_is_set(server, under, scope, key, records):
    server.plant(scope, key, "[1,  2]")
    until_tomorrow = under(accept_plaintext_until=TOMORROW)
    assert until_tomorrow.get(scope, key) == "[1,  2]"
    assert [key in record for record in records()] == [True]
    until_tomorrow.set(scope, key, "1")
    assert json.loads(server.stored(key)).startswith("lamella:1:")


def test_row_that_the_rest_api_wrote_is_refused_after_the_day_that_is_set(server, under, scope, key):
    server.plant(scope, key, "1")
    with pytest.raises(ManifestRefusedError, match="is not sealed"):
        under(accept_plaintext_until=YESTERDAY).get(scope, key)


@pytest.mark.parametrize(
    ("of", "to"),
    [
        ("task", "other task"),
        ("mapped", "mapped too"),
        ("task", "mapped"),
        ("asset", "other asset"),
        ("task", "asset"),
    ],
)
def test_row_that_was_copied_to_another_scope_is_refused(server, scope_of, key, records, of, to):  # noqa: PLR0913 - two cases
    server.backend.set(scope_of[of], key, "1")
    server.plant(scope_of[to], key, server.stored(key))
    assert server.backend.get(scope_of[of], key) == "1"
    with pytest.raises(RefMismatchError):
        server.backend.get(scope_of[to], key)
    assert len(records()) == 1


def test_row_that_was_copied_to_another_key_is_refused(server, scope, key):
    server.backend.set(scope, key, "1")
    server.plant(scope, f"{key} too", server.stored(key))
    with pytest.raises(RefMismatchError):
        server.backend.get(scope, f"{key} too")


def test_altered_row_is_refused(server, scope, key, records):
    server.backend.set(scope, key, "1")
    text = server.stored(key)
    middle = len(text) // 2
    server.plant(scope, key, text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :])
    with pytest.raises(RefTagError):
        server.backend.get(scope, key)
    assert len(records()) == 1


def test_row_of_another_keyring_is_a_named_error(backend, under, scope, key, other_keyring):
    backend.set(scope, key, "1")
    with pytest.raises(KeyVersionNotFoundError):
        under(keyring=f"file:{other_keyring}").get(scope, key)


def test_backend_reads_nothing_before_its_first_use(under, scope, key, tmp_path):
    backend = under(keyring=f"file:{tmp_path}/absent")
    with pytest.raises(KeyringError, match="absent"):
        backend.set(scope, key, "1")


def test_row_is_removed_without_a_keyring(backend, under, scope, key, tmp_path):
    backend.set(scope, key, "1")
    under(keyring=f"file:{tmp_path}/absent").delete(scope, key)
    assert backend.get(scope, key) is None


def test_other_layers_are_a_setting(server, under, scope, key):
    under(metastore_layers="padme | cobblestone256").set(scope, key, "1")
    assert ":metastore:padme" in server.stored(key)


def test_store_of_the_same_name_in_the_file_is_no_obstacle(server, under, scope, key, tmp_path):
    file = tmp_path / "lamella.toml"
    file.write_text(f'[stores.main]\nurl = "directory://{tmp_path}/objects"\n')
    under(config=str(file)).set(scope, key, "1")
    assert server.backend.get(scope, key) == "1"


def test_expired_rows_are_cleaned_up_and_others_stay(backend, scope_of, key):
    scopes = [scope_of[name] for name in ("task", "mapped", "other task")]
    for scope, expires_at in zip(scopes, (NOW - dt.timedelta(hours=1), NOW + dt.timedelta(hours=1), None), strict=True):
        backend.set(scope, key, "1", expires_at=expires_at)
    assert [row.key for row in backend._summary_dry_run()["expired"]] == [key]
    backend.cleanup()
    assert [backend.get(scope, key) for scope in scopes] == [None, "1", "1"]


@pytest.mark.parametrize("chars", [65_535, 3_000_000])
def test_random_text_as_long_as_the_host_takes_it_fits_its_row(backend, scope, key, chars):
    text = json.dumps(secrets.token_urlsafe(chars)[:chars])
    backend.set(scope, key, text)
    assert backend.get(scope, key) == text


def test_text_that_would_not_fit_its_row_is_refused_and_says_what_to_do(backend, scope, key):
    backend.set(scope, key, "1")
    with pytest.raises(LimitExceededError, match="state_store_backend"):
        backend.set(scope, key, secrets.token_urlsafe(9 * 1024**2))
    assert backend.get(scope, key) == "1"


def test_longest_row_fits_the_smallest_column(server):
    assert server.host.metastore.MAX_ROW_BYTES * 4 // 3 + DEFAULT_LIMITS.max_ref_chars < MEDIUMTEXT_BYTES


@pytest.mark.parametrize("name", ["put_text", "get_text"])
def test_layers_do_not_run_on_the_event_loop(server, scope_of, key, monkeypatch, name):
    host, backend, threads = server.host, server.backend, []
    real = getattr(host.metastore, name)

    def spied(*given):
        threads.append(threading.current_thread())
        return real(*given)

    async def write_and_read():
        await backend.aset(scope_of["task"], key, "1")
        await backend.aset_asset_state_store(scope_of["asset"], key, "2", kind=host.AssetStateStoreWriterKind.API)
        await backend.aget(scope_of["task"], key)

    monkeypatch.setattr(host.metastore, name, spied)
    asyncio.run(write_and_read())
    assert threads
    assert threading.main_thread() not in threads
