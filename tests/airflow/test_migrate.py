"""`lamella airflow migrate` on a real metadata database, with objects of Airflow's own object-storage backend."""

from __future__ import annotations

import datetime as dt
import json
import re
import secrets
import signal
from importlib import import_module

import pytest
from airflow_harness.deployment import RUN, Deployment
from airflow_harness.earlier import EARLIER, Earlier
from airflow_harness.server import serving

from lamella.errors import ConfigError, ObjectNotFoundError, StoreConflictError, StoreError, StoreUnavailableError

CANARY = "CANARY-of-what-is-moved"
VALUE = {"token": CANARY, "noise": secrets.token_hex(600)}
TOMORROW = f"{dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=1):%Y-%m-%d}"
YESTERDAY = f"{dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=1):%Y-%m-%d}"
BEFORE = {"lamella.fallback_backend": EARLIER, "lamella.migrate_until": TOMORROW}
LEFT = ("changed", "occupied", "refused", "missing", "failed")


@pytest.fixture(params=[{}])
def deployment(make_home, monkeypatch, tmp_path, request):
    with serving(make_home(BEFORE)) as server:
        found = Deployment(server, Earlier.make(tmp_path / "earlier", monkeypatch, **request.param))
        found.declare()
        yield found


@pytest.fixture
def filled(deployment):
    """Give a deployment with one value a scope."""
    for name in deployment.scopes():
        deployment.write(name, f"cursor of {name}", {**VALUE, "of": name})
    return deployment


@pytest.fixture
def backend(deployment, monkeypatch):
    """Give what makes today's backend, to which nothing is configured that wrote before."""

    def backend():
        with monkeypatch.context() as patch:
            patch.delenv("AIRFLOW__LAMELLA__FALLBACK_BACKEND", raising=False)
            patch.delenv("AIRFLOW__LAMELLA__MIGRATE_UNTIL", raising=False)
            made = import_module("lamella.airflow").LamellaStateBackend()
            return _opened(made)

    del deployment
    return backend


def _opened(backend):
    """Let a backend read its settings now."""
    assert backend.stack
    with pytest.raises(ValueError, match="sealed"):
        backend.deserialize_task_state_store_from_ref("1")
    return backend


def _report(*, watch=lambda _, rows: rows, **given):
    options = {"apply": True, "plaintext_rows": False, "delete_old": False, "dags_paused": False, **given}
    report = import_module("lamella.airflow.migrate").migrate(watch=watch, **options).as_document()
    assert report["applied"] is options["apply"]
    return report


def _migrate(**given):
    report = _report(**given)
    return {name: count for name, count in report.items() if isinstance(count, int) and count and name != "applied"}


def _files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _stored(deployment):
    """Give what rows and objects hold; free pages of the database may hold what was replaced, until it is vacuumed."""
    objects = [path.read_bytes() for path in deployment.server.home.objects()]
    return b"".join([json.dumps(deployment.texts()).encode(), *objects])


def test_dry_run_says_how_many_and_changes_nothing(filled):
    rows, objects = filled.rows(), _files(filled.earlier.folder)
    assert _migrate(apply=False) == {"moved": len(filled.scopes())}
    assert filled.rows() == rows
    assert _files(filled.earlier.folder) == objects
    assert filled.server.home.objects() == []


@pytest.mark.parametrize("deployment", [{}, {"compression": "gzip"}, {"threshold": 5000}], indirect=True)
def test_every_row_is_moved_and_read_without_the_earlier_backend(filled, backend):
    count, beside = len(filled.scopes()), filled.rows(values=False)
    assert _migrate() == {"moved": count}
    assert filled.rows(values=False) == beside
    today = backend()
    for name in filled.scopes():
        assert filled.read(today, name, f"cursor of {name}") == {**VALUE, "of": name}
    assert CANARY.encode() not in _stored(filled)
    assert len(filled.server.home.objects()) == count


def test_second_run_moves_nothing_and_changes_nothing(filled):
    _migrate()
    rows, objects = filled.rows(), filled.server.home.objects()
    assert _migrate() == {"lamella": len(filled.scopes())}
    assert (filled.rows(), filled.server.home.objects()) == (rows, objects)


def test_objects_of_the_earlier_backend_stay_unless_told_otherwise(filled):
    before = _files(filled.earlier.folder)
    _migrate()
    assert _files(filled.earlier.folder) == before


def test_old_object_of_a_row_that_was_moved_just_now_stays_for_who_read_its_row_before(filled):
    before = _files(filled.earlier.folder)
    assert _migrate(delete_old=True) == {"moved": len(filled.scopes())}
    assert _files(filled.earlier.folder) == before


def test_old_objects_of_rows_that_an_earlier_run_moved_go_where_that_is_asked_for(filled, backend):
    _migrate()
    filled.write("task", "kept", VALUE)
    filled.plant("task", "kept", {"__airflow_state_ref__": f"{filled.earlier.base}/elsewhere"})
    _migrate(delete_old=True)
    assert [path.name for path in filled.earlier.objects()] == ["kept"]
    assert filled.read(backend(), "task", "cursor of task")["token"] == CANARY


def test_dry_run_removes_nothing_whatever_is_asked_for(filled):
    before = _files(filled.earlier.folder)
    _migrate(apply=False, delete_old=True)
    assert _files(filled.earlier.folder) == before


def test_after_the_date_rows_are_moved_all_the_same(filled, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LAMELLA__MIGRATE_UNTIL", YESTERDAY)
    assert _migrate() == {"moved": len(filled.scopes())}


@pytest.mark.parametrize("key", ["a/b ä?#%2e", "k" * 250, "lamella:1:x"])
def test_key_of_any_spelling_is_moved(deployment, backend, key):
    deployment.write("task", key, VALUE)
    assert _migrate() == {"moved": 1}
    assert deployment.read(backend(), "task", key) == VALUE


def test_rows_of_several_pages_are_each_looked_at_once(deployment, backend, monkeypatch):
    monkeypatch.setattr(import_module("lamella.airflow.rows"), "_PAGE_ROWS", 2)
    keys = [f"{name}{number}" for name in "aAbä" for number in range(3)]
    for key in keys:
        for name in deployment.scopes():
            deployment.write(name, key, {"at": [name, key]})
    seen = []
    report = _migrate(watch=lambda _, rows: (seen.append((row.identity, row.model)) or row for row in rows))
    assert report == {"moved": len(keys) * len(deployment.scopes())}
    assert len(seen) == len(set(seen)) == report["moved"]
    today = backend()
    for key in keys:
        for name in deployment.scopes():
            assert deployment.read(today, name, key) == {"at": [name, key]}


def test_asset_that_was_written_by_uri_is_moved_under_its_uri(filled):
    _migrate()
    worker, _ = filled.scopes()["uri"]
    today = import_module("lamella.airflow").LamellaStateBackend()
    today.delete(worker, "cursor of uri")
    with pytest.raises(ObjectNotFoundError):
        filled.read(today, "uri", "cursor of uri")


def test_rows_that_hold_their_value_stay_unless_told_otherwise(filled):
    filled.plant("task", "plain", VALUE)
    filled.plant("name", "plain too", CANARY)
    before = filled.texts()
    assert _migrate() == {"moved": len(filled.scopes()), "plain": 2}
    assert {key: before[key] for key in ("plain", "plain too")}.items() <= filled.texts().items()


def test_rows_that_hold_their_value_are_sealed_on_request_also_without_an_earlier_backend(
    deployment, backend, monkeypatch
):
    deployment.plant("task", "plain", VALUE)
    deployment.plant("name", "plain too", CANARY)
    monkeypatch.delenv("AIRFLOW__LAMELLA__FALLBACK_BACKEND")
    monkeypatch.delenv("AIRFLOW__LAMELLA__MIGRATE_UNTIL")
    assert _migrate(plaintext_rows=True) == {"moved": 2}
    assert deployment.read(backend(), "task", "plain") == VALUE
    assert deployment.read(backend(), "name", "plain too") == CANARY
    assert CANARY.encode() not in _stored(deployment)


def test_value_of_an_asset_with_an_empty_name_is_moved_under_its_uri(filled, backend):
    filled.plant("uri", "plain", VALUE)
    for table in ("asset", "asset_active"):
        filled.execute(f"UPDATE {table} SET name = '' WHERE name = 'journal'")  # noqa: S608 - no input
    _migrate(plaintext_rows=True)
    worker, _ = filled.scopes()["uri"]
    today = backend()
    ref = json.loads(filled.texts()["plain"])["__airflow_state_ref__"]
    assert today.deserialize_asset_state_store_from_ref(ref) == VALUE
    today.delete(worker, "plain")
    with pytest.raises(ObjectNotFoundError):
        today.deserialize_asset_state_store_from_ref(ref)


def test_rows_of_an_asset_that_no_dag_names_are_left_alone(filled):
    filled.execute("UPDATE asset_state_store SET asset_id = 3 WHERE asset_id = 1")
    before = filled.texts()["cursor of name"]
    assert _migrate()["inactive"] == 1
    assert filled.texts()["cursor of name"] == before


@pytest.mark.parametrize(
    ("planted", "word"),
    [
        ("{base}/../outside.json", "refused"),
        ("s3://bucket/x", "refused"),
        ("{base}/payroll/other/extract/-1/planted", "refused"),
        ("{base}/assets/ledger/cursor%20of%20name", "refused"),
        ("{ref}", "refused"),
        ("{own}", "missing"),
    ],
)
def test_ref_that_is_not_the_rows_own_is_left_and_counted(filled, planted, word):
    own = filled.write("task", "planted", VALUE)
    filled.earlier.backend.delete(filled.scopes()["task"][0], "planted")
    (filled.earlier.folder.parent / "outside.json").write_text('"stolen"')
    other = filled.write("task", "other", VALUE)
    planted = planted.format(base=filled.earlier.base, ref=other, own=own)
    filled.plant("task", "planted", {"__airflow_state_ref__": planted})
    assert _migrate() == {"moved": len(filled.scopes()) + 1, word: 1}
    assert planted in filled.texts()["planted"]


def test_value_that_cannot_be_kept_is_left_and_the_others_are_moved(filled):
    filled.write("task", "nan", float("nan"))
    filled.write("task", "read as gzip.gz", VALUE)
    assert _migrate() == {"moved": len(filled.scopes()), "failed": 1, "refused": 1}


@pytest.mark.parametrize(
    ("column", "planted"),
    [("map_index", -2), ("key", "k" * 5000), ("value", "[" * 100_000), ("value", "1" * 5000)],
    ids=["map index", "key", "depth", "digits"],
)
def test_row_that_nobody_could_have_written_is_left_by_its_columns_and_the_others_are_moved(filled, column, planted):
    filled.plant("task", "planted", "x")
    if filled.server.host.HAS_REGIONS:
        column = column.replace("map_index", "region_index")
    filled.execute(f"UPDATE task_state_store SET {column} = ? WHERE key = 'planted'", planted)  # noqa: S608 - no input
    report = _report(plaintext_rows=True)
    assert (report["moved"], report["failed"]) == (len(filled.scopes()), 1)
    [example] = report["examples"]
    assert {"left": "failed", "kind": "task", "task_id": "extract"}.items() <= example.items()
    assert len(json.dumps(example)) < 1000


@pytest.mark.parametrize(("column", "held"), [("updated_at", "yesterday"), ("updated_at", 5), ("region_id", "here")])
def test_row_that_cannot_be_read_is_a_named_error_that_tells_its_table_and_column(filled, column, held):
    if column == "region_id" and not filled.server.host.HAS_REGIONS:
        pytest.skip("this Airflow has no regions")
    filled.execute(f"UPDATE task_state_store SET {column} = ? WHERE key = 'cursor of task'", held)  # noqa: S608 - no input
    with pytest.raises(StoreError, match=rf"{column}.*task_state_store"):
        _migrate()


def test_database_that_takes_no_writes_is_a_named_error_that_asks_for_the_permission(filled):
    rows = filled.rows()
    for table in ("task", "asset"):
        filled.execute(
            f"CREATE TRIGGER {table} BEFORE UPDATE ON {table}_state_store BEGIN SELECT RAISE(ABORT, 'read-only'); END"
        )
    with pytest.raises(StoreError, match="whether its user may write"):
        _migrate()
    assert filled.rows() == rows


def test_genuine_ref_in_a_row_that_nobody_could_have_written_removes_nothing(filled):
    _migrate()
    before = _files(filled.earlier.folder)
    filled.execute("UPDATE task_state_store SET key = ?", "k" * 5000)
    filled.execute("DELETE FROM asset_state_store")
    assert set(_migrate(delete_old=True)) == {"lamella"}
    assert _files(filled.earlier.folder) == before


def test_row_with_more_than_the_mark_is_none_of_a_backends(filled):
    ref = filled.write("task", "planted", VALUE)
    filled.plant("task", "planted", {"__airflow_state_ref__": ref, "more": 1})
    assert _migrate() == {"moved": len(filled.scopes()), "plain": 1}


def test_earlier_backend_that_does_not_answer_ends_the_run(filled, monkeypatch):
    def down(*_):
        raise StoreUnavailableError("it does not answer")

    before = filled.rows()
    for kind in ("task", "asset"):
        monkeypatch.setattr(type(filled.earlier.backend), f"deserialize_{kind}_state_store_from_ref", down)
    with pytest.raises(StoreUnavailableError):
        _migrate()
    assert filled.rows() == before


def test_row_that_a_worker_of_today_wrote_meanwhile_stays(filled, backend):
    today = backend()

    def watch(_, rows):
        for row in rows:
            if row.key == "cursor of task":
                worker, _ = filled.scopes()["task"]
                ref = today.serialize_task_state_store_to_ref(value="newer", key=row.key, scope=worker)
                filled.plant("task", row.key, {"__airflow_state_ref__": ref})
            yield row

    assert _migrate(watch=watch) == {"moved": len(filled.scopes()) - 1, "occupied": 1}
    assert filled.read(today, "task", "cursor of task") == "newer"
    assert _migrate() == {"lamella": len(filled.scopes())}


def test_row_that_a_worker_of_before_wrote_meanwhile_stays_and_is_moved_by_the_next_run(filled, backend):
    replace = import_module("lamella.airflow.rows").replace_value

    def replaced_late(row, value):
        if row.key == "cursor of task":
            filled.write("task", row.key, "newer")
        return replace(row, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("lamella.airflow.migrate"), "replace_value", replaced_late)
        assert _migrate() == {"moved": len(filled.scopes()) - 1, "changed": 1}
    assert _migrate() == {"moved": 1, "lamella": len(filled.scopes()) - 1}
    assert filled.read(backend(), "task", "cursor of task") == "newer"


def test_key_that_a_task_deletes_before_its_turn_is_not_told_as_an_object_that_is_gone(filled):
    today = import_module("lamella.airflow").LamellaStateBackend()

    def watch(_, rows):
        for row in rows:
            if row.key == "cursor of task":
                filled.execute("DELETE FROM task_state_store WHERE key = ?", row.key)
                today.delete(filled.scopes()["task"][0], row.key)
            yield row

    report = _report(watch=watch)
    assert (report["moved"], report["changed"], report["missing"]) == (len(filled.scopes()) - 1, 1, 0)
    assert "deleted meanwhile" in report["examples"][0]["error"]
    assert _migrate() == {"lamella": len(filled.scopes()) - 1}


def test_row_that_is_deleted_meanwhile_leaves_no_object(deployment, monkeypatch):
    deployment.write("task", "cursor", VALUE)
    replace = import_module("lamella.airflow.rows").replace_value

    def replaced_late(row, value):
        deployment.execute("DELETE FROM task_state_store")
        return replace(row, value)

    monkeypatch.setattr(import_module("lamella.airflow.migrate"), "replace_value", replaced_late)
    assert _migrate() == {"changed": 1}
    assert deployment.server.home.objects() == []


def test_object_that_a_task_puts_while_the_move_looks_is_never_replaced(deployment, backend, monkeypatch):
    deployment.write("task", "cursor", VALUE)
    today, destination = backend(), import_module("lamella.airflow.destination").Destination
    worker, _ = deployment.scopes()["task"]
    held, refs = destination.held, []

    def held_early(self, owner, key):
        found = held(self, owner, key)
        refs.append(today.serialize_task_state_store_to_ref(value="newer", key=key, scope=worker))
        return found

    monkeypatch.setattr(destination, "held", held_early)
    assert _migrate() == {"occupied": 1}
    assert today.deserialize_task_state_store_from_ref(refs[0]) == "newer"


@pytest.mark.parametrize("size", [1, 200_000], ids=["whole", "in parts"])
def test_object_without_a_row_that_holds_the_same_value_is_taken_over_from_who_would_remove_it(
    deployment, backend, monkeypatch, size
):
    chain = f"padme | cobblestone256 | chunk(64KiB) | sqlite:///{deployment.server.home.folder}/objects.db"
    monkeypatch.setenv("AIRFLOW__LAMELLA__CHAIN", chain)
    value = VALUE | {"much": secrets.token_hex(size)}
    deployment.write("task", "cursor", value)
    worker, _ = deployment.scopes()["task"]
    today = backend()
    today.serialize_task_state_store_to_ref(value=value, key="cursor", scope=worker)
    store = today.stack.engine.store
    ((locator, seen),) = [(each.locator, store.get(each.locator)[0]) for each in store.list("o1/")]
    assert _migrate() == {"moved": 1}
    with pytest.raises(StoreConflictError):
        store.delete(locator, if_version=seen)
    assert deployment.read(backend(), "task", "cursor") == value


def test_task_that_replaces_the_equal_value_while_the_move_looks_keeps_its_own(deployment, backend, monkeypatch):
    deployment.write("task", "cursor", VALUE)
    today, destination = backend(), import_module("lamella.airflow.destination").Destination
    worker, _ = deployment.scopes()["task"]
    ref = today.serialize_task_state_store_to_ref(value=VALUE, key="cursor", scope=worker)
    held = destination.held

    def held_early(self, owner, key):
        found = held(self, owner, key)
        today.serialize_task_state_store_to_ref(value="newer", key=key, scope=worker)
        return found

    monkeypatch.setattr(destination, "held", held_early)
    assert _migrate() == {"occupied": 1}
    assert today.deserialize_task_state_store_from_ref(ref) == "newer"


def test_equal_object_that_was_there_stays_when_its_row_is_written_meanwhile(deployment, backend, monkeypatch):
    deployment.write("task", "cursor", VALUE)
    worker, _ = deployment.scopes()["task"]
    ref = backend().serialize_task_state_store_to_ref(value=VALUE, key="cursor", scope=worker)
    replace = import_module("lamella.airflow.rows").replace_value

    def replaced_late(row, value):
        deployment.write("task", row.key, "newer")
        return replace(row, value)

    monkeypatch.setattr(import_module("lamella.airflow.migrate"), "replace_value", replaced_late)
    assert _migrate() == {"changed": 1}
    assert backend().deserialize_task_state_store_from_ref(ref) == VALUE


def test_two_migrations_at_once_lose_nothing(deployment, backend, monkeypatch):
    deployment.write("task", "cursor", VALUE)
    module = import_module("lamella.airflow.migrate")
    replace, reports = module.replace_value, []

    def replaced_late(row, value):
        if not reports:
            reports.append(None)
            reports.append(_migrate())
        return replace(row, value)

    monkeypatch.setattr(module, "replace_value", replaced_late)
    reports.append(_migrate())
    assert reports[1:] == [{"moved": 1}, {"moved": 1}]
    assert deployment.read(backend(), "task", "cursor") == VALUE


def test_run_that_is_killed_between_an_object_and_its_row_is_taken_up_by_the_next(filled, backend):
    code = """
import os, signal
from lamella.airflow import migrate
replace, done = migrate.replace_value, []
def dying(row, value):
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(row)
    return replace(row, value)
migrate.replace_value = dying
options = {"apply": True, "plaintext_rows": False, "delete_old": False, "dags_paused": False}
migrate.migrate(**options, watch=lambda _, rows: rows)
"""
    base = {"AIRFLOW__COMMON_IO__STATE_STORE_OBJECTSTORAGE_PATH": filled.earlier.base}
    died = filled.server.home.but(**base).python(code, check=False)
    assert died.returncode == -signal.SIGKILL, died.stdout
    count = len(filled.scopes())
    assert len(filled.server.home.objects()) == 3
    assert _migrate() == {"moved": count - 2, "lamella": 2}
    assert len(filled.server.home.objects()) == count
    today = backend()
    for name in filled.scopes():
        assert filled.read(today, name, f"cursor of {name}")["of"] == name


@pytest.mark.parametrize("chain", ["zstd | padme | cobblestone256 | inline://", "cobblestone256 | chunk(64KiB) | {}"])
def test_rows_are_moved_into_any_store(filled, backend, monkeypatch, chain):
    chain = chain.format(f"sqlite:///{filled.server.home.folder}/objects.db")
    monkeypatch.setenv("AIRFLOW__LAMELLA__CHAIN", chain)
    filled.write("task", "large", secrets.token_hex(100 if "inline" in chain else 200_000))
    count = len(filled.scopes()) + 1
    assert _migrate() == {"moved": count}
    assert filled.read(backend(), "mapped", "cursor of mapped")["of"] == "mapped"
    assert _migrate() == {"lamella": count}
    assert CANARY.encode() not in _stored(filled)


@pytest.fixture
def _in_place(monkeypatch):
    monkeypatch.delenv("AIRFLOW__LAMELLA__CHAIN")
    monkeypatch.setenv("AIRFLOW__LAMELLA__STORE", f"backend:{EARLIER}")


@pytest.mark.parametrize("deployment", [{}, {"compression": "gzip"}, {"threshold": 5000}], indirect=True)
def test_layers_around_the_earlier_backend_itself_seal_its_objects_in_their_place(
    filled, backend, monkeypatch, request
):
    request.getfixturevalue("_in_place")
    del monkeypatch
    count, objects = len(filled.scopes()), filled.earlier.objects()
    assert _migrate(delete_old=True, dags_paused=True) == {"moved": count}
    assert filled.earlier.objects() == objects
    assert all(CANARY.encode() not in content for content in _files(filled.earlier.folder).values())
    today = backend()
    for name in filled.scopes():
        assert filled.read(today, name, f"cursor of {name}")["of"] == name
    assert _migrate(delete_old=True, dags_paused=True) == {"lamella": count}
    assert filled.earlier.objects() == objects


def test_run_that_dies_when_an_object_was_sealed_in_its_place_is_taken_up_by_the_next(filled, backend, request):
    request.getfixturevalue("_in_place")

    def dying(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("lamella.airflow.migrate"), "replace_value", dying)
        with pytest.raises(KeyboardInterrupt):
            _migrate(dags_paused=True)
    assert _migrate(dags_paused=True) == {"moved": len(filled.scopes())}
    today = backend()
    for name in filled.scopes():
        assert filled.read(today, name, f"cursor of {name}")["of"] == name


@pytest.mark.parametrize("wraps", [False, True], ids=["a store of objects", "a wrapped backend"])
def test_store_without_conditions_is_refused_unless_the_dags_are_paused(filled, backend, monkeypatch, request, wraps):
    if wraps:
        request.getfixturevalue("_in_place")
    store = import_module("lamella_layers.store.directory").DirectoryStore
    monkeypatch.setattr(store, "conditional_put", False)
    count, rows, objects = len(filled.scopes()), filled.rows(), _files(filled.earlier.folder)
    with pytest.raises(ConfigError, match="--dags-paused"):
        _migrate()
    assert _migrate(apply=False) == {"moved": count}
    assert (filled.rows(), _files(filled.earlier.folder)) == (rows, objects)
    assert _migrate(dags_paused=True) == {"moved": count}
    assert filled.read(backend(), "task", "cursor of task")["token"] == CANARY


def test_nothing_to_move_by_the_configuration_is_an_error(deployment, monkeypatch):
    del deployment
    monkeypatch.delenv("AIRFLOW__LAMELLA__FALLBACK_BACKEND")
    monkeypatch.delenv("AIRFLOW__LAMELLA__MIGRATE_UNTIL")
    with pytest.raises(ConfigError, match="fallback_backend"):
        _migrate()


def test_rows_that_another_server_side_keeps_are_not_touched(filled, monkeypatch):
    monkeypatch.setenv("AIRFLOW__STATE_STORE__BACKEND", "lamella.airflow.LamellaMetastoreBackend")
    before = filled.rows()
    with pytest.raises(ConfigError) as raised:
        _migrate()
    assert filled.rows() == before
    (setting,) = re.findall(r"\[state_store\] backend = (\S+)", str(raised.value))
    monkeypatch.setenv("AIRFLOW__STATE_STORE__BACKEND", setting)
    assert _migrate() == {"moved": len(filled.scopes())}


def _command(deployment, *options, **variables):
    base = {"AIRFLOW__COMMON_IO__STATE_STORE_OBJECTSTORAGE_PATH": deployment.earlier.base, **variables}
    return deployment.server.home.but(**base).command("lamella", "airflow", "migrate", *options, check=False)


def test_command_moves_rows_and_ends_with_9_where_one_is_left(filled):
    count = len(filled.scopes())
    run = _command(filled)
    assert (run.returncode, f"would move {count} rows" in run.stdout, "--apply" in run.stdout) == (0, True, True)
    filled.plant("task", "planted", {"__airflow_state_ref__": f"{filled.earlier.base}/../x"})
    run = _command(filled, "--apply", "--json")
    report = json.loads(run.stdout.splitlines()[-1])
    assert (run.returncode, report["moved"], report["refused"]) == (9, count, 1)
    (example,) = report["examples"]
    names = {"kind": "task", "dag_id": "payroll", "run_id": RUN, "task_id": "extract", "key": "planted"}
    assert names.items() <= example.items()
    assert CANARY not in run.stdout
    assert 'dag_id="payroll"' in _command(filled).stdout


def test_command_without_a_metadata_database_is_one_line(filled):
    empty = f"sqlite:///{filled.server.home.folder}/empty.db"
    run = _command(filled, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=empty)
    assert run.returncode == 8
    assert "airflow db migrate" in run.stdout.splitlines()[-1]


def test_command_looks_at_the_configuration_before_the_database(filled):
    empty = f"sqlite:///{filled.server.home.folder}/empty.db"
    other = "lamella.airflow.LamellaMetastoreBackend"
    run = _command(filled, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=empty, AIRFLOW__STATE_STORE__BACKEND=other)
    assert "MetastoreBackend for this run" in run.stdout.splitlines()[-1]
