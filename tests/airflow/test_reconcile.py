"""`lamella airflow reconcile` on a real metadata database and a real store, after a DAG ran and much went wrong."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

import pytest

FOUND = 9
REFUSED = 2
DAY_SECONDS = 86_400
PLANTED = "planted by hand"
OBJECT_STORAGE = "backend:airflow.providers.common.io.state_store.backend.StateStoreObjectStorageBackend"
FAULTS = {
    "orphaned_objects": 2,
    "dangling_refs": 1,
    "bypassed_rows": 2,
    "foreign_refs": 1,
    "misplaced_refs": 1,
    "young_objects": 1,
}
ORPHANS = {"rowless", "asset rowless"}
"""Not those whose own row holds something else: they may be the good copy of what was planted over."""


def _clone(home, folder):
    """Give a copy of a home, the ages of its objects included."""
    shutil.copytree(home.folder, folder, dirs_exist_ok=True)
    moved = {name: text and text.replace(str(home.folder), str(folder)) for name, text in home.settings.items()}
    return replace(home, folder=folder, settings=moved)


_RUNNER = """
import contextlib, io, json, os, sys
from pathlib import Path
from lamella.cli.main import main

def reconcile(variables, options):
    before = dict(os.environ)
    os.environ.update(variables)
    sys.argv = ["lamella", "airflow", "reconcile", *options]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    os.environ.clear()
    os.environ.update(before)
    return code, printed.getvalue(), sorted(map(str, Path("objects").rglob("*/*/*/*")))

Path("told.json").write_text(json.dumps([reconcile(*each) for each in json.loads(sys.argv[1])]))
"""


class _Run(NamedTuple):
    """What one call of the command gave, and the objects that were there when it ended."""

    code: int
    printed: str
    objects: list[str]

    @property
    def document(self):
        return json.loads(self.printed.splitlines()[-1])


def _reconcile(home, *calls, first=""):
    """Call the command several times in one process: importing Airflow is what takes the time.

    A call is a line of options, or a pair of settings and such a line.
    """
    pairs = [({}, call) if isinstance(call, str) else call for call in calls]
    request = json.dumps([(home.but(settings).variables, options.split()) for settings, options in pairs])
    home.command(sys.executable, "-c", first + _RUNNER, request)
    return [_Run(*each) for each in json.loads((home.folder / "told.json").read_text())]


def _counts(report):
    return {name: count for name, count in report["counts"].items() if count}


def _execute(home, *statements):
    with closing(sqlite3.connect(home.database)) as database, database:
        for statement, *parameters in statements:
            database.execute(statement, parameters)


def _dump(home):
    with closing(sqlite3.connect(home.database)) as database:
        return [*database.iterdump()]


def _age(paths, days):
    then = time.time() - days * DAY_SECONDS
    for path in paths:
        os.utime(path, (then, then))


def _places(home):
    """Give the path of the object of each row, by key."""
    rows = [("", row) for row in home.task_rows()] + [("asset ", row) for row in home.asset_rows()]
    return {
        f"{kind}{row['key']}{row.get('map_index', -1) if row['key'] == 'cursor' else ''}": (
            home.folder / "objects" / "o1" / row["value"]["__airflow_state_ref__"].split(":")[6]
        )
        for kind, row in rows
    }


@pytest.fixture(scope="module")
def ran(make_home, dags):
    """Give a home in which every row has its object."""
    home = make_home()
    assert home.run(dags, "reconciled").states == {"reconciled": "success"}
    return home


@pytest.fixture(scope="module")
def damaged(ran, tmp_path_factory):
    """Give a home with one of each fault, and where the object of each key was."""
    home = _clone(ran, tmp_path_factory.mktemp("damaged"))
    places = _places(home)
    stored = {row["key"]: json.dumps(row["value"]) for row in home.task_rows()}
    forged = stored["forged"].removesuffix('"}')
    forged = f'{forged[:-1]}{"A" if forged[-1] != "A" else "E"}"}}'
    update = "UPDATE task_state_store SET value = ? WHERE key = ?"
    _execute(
        home,
        ("DELETE FROM task_state_store WHERE key IN ('rowless', 'swept')",),
        ("DELETE FROM asset_state_store WHERE key = 'rowless'",),
        (update, json.dumps({"canary": PLANTED}), "plain"),
        (update, json.dumps({"__airflow_state_ref__": "file:///elsewhere.json"}), "elsewhere"),
        (update, forged, "forged"),
        (update, stored["kept"], "copied"),
    )
    _age((path for key, path in places.items() if key != "swept"), 10)
    places["cursor1"].unlink()
    return home, places


@pytest.fixture
def clone(damaged, tmp_path):
    """Give a copy of the damaged home to one test, and its places."""
    home, places = damaged
    moved = _clone(home, tmp_path / "home")
    return moved, {key: moved.folder / path.relative_to(home.folder) for key, path in places.items()}


@pytest.fixture(scope="module")
def dry(damaged):
    """Give what calls without `--delete` told about the damaged home, and what they left of it."""
    home, _ = damaged
    before = _everything(home)
    fallback = {
        "lamella.fallback_backend": OBJECT_STORAGE.removeprefix("backend:"),
        "lamella.migrate_until": "2999-12-31",
    }
    calls = ("--json", "--json --list 2", "", "--json --grace-days 0", (fallback, "--json"))
    names = ("json", "few", "table", "no grace", "fallback")
    return dict(zip(names, _reconcile(home, *calls), strict=True)), before, _everything(home)


def _everything(home):
    return _dump(home), [(path, path.read_bytes(), path.stat().st_mtime_ns) for path in home.objects()]


def test_deployment_in_which_every_row_has_its_object_is_clean(ran):
    run = ran.command("sh", "-c", "lamella airflow reconcile --json --grace-days 0 2>/dev/null")
    report = json.loads(run.stdout)
    assert report["clean"]
    assert (report["rows"], report["objects"], _counts(report)) == (11, 11, {})


@pytest.mark.parametrize("command", ["reconcile", "migrate --plaintext-rows"])
def test_standard_output_is_the_answer_alone_however_much_airflow_logs(ran, command):
    loud = ran.but({"logging.logging_level": "DEBUG"})
    run = loud.command("sh", "-c", f"lamella airflow {command} --json 2>told.log")
    assert isinstance(json.loads(run.stdout), dict)
    assert "debug" in (ran.folder / "told.log").read_text()


@pytest.mark.parametrize(
    ("connection", "says"), [("no url", "airflow db check"), ("postgresql+pg8000://a:b@h/c", "'pg8000' is missing")]
)
def test_connection_with_which_airflow_does_not_load_is_a_named_error(ran, connection, says):
    run = ran.but({"database.sql_alchemy_conn": connection}).command("lamella", "airflow", "reconcile", check=False)
    assert (run.returncode, says in run.stdout) == (REFUSED, True), run.stdout


def test_region_that_is_none_is_a_named_error(ran, tmp_path):
    if "region_id" not in ran.task_rows()[0]:
        pytest.skip("this Airflow has no regions")
    home = _clone(ran, tmp_path)
    _execute(home, ("UPDATE task_state_store SET region_id = 'none' WHERE key = 'kept'",))
    [run] = _reconcile(home, "--json")
    assert (run.code, run.document["error"]) == (8, "StoreError")
    assert "region_id" in run.document["message"]


def test_each_fault_is_counted_once(dry):
    run = dry[0]["json"]
    assert run.code == FOUND
    assert not run.document["clean"]
    assert _counts(run.document) == FAULTS


def test_examples_name_scope_key_and_locator(damaged, dry):
    home, places = damaged
    examples = dry[0]["json"].document["examples"]
    orphans = {(each["kind"], each.get("name"), each["key"], each["locator"]) for each in examples["orphaned_objects"]}
    assert orphans == {
        (
            "asset" if key.startswith("asset ") else "task",
            "readings" if key.startswith("asset ") else None,
            key.removeprefix("asset "),
            str(places[key].relative_to(home.folder / "objects")),
        )
        for key in ORPHANS
    }
    [dangling] = examples["dangling_refs"]
    assert (dangling["dag_id"], dangling["task_id"], dangling["key"]) == ("reconciled", "part", "cursor")
    assert dangling["locator"] == str(places["cursor1"].relative_to(home.folder / "objects"))
    assert examples["foreign_refs"][0]["reason"] == "RefTagError"
    assert {each["key"] for each in examples["bypassed_rows"]} == {"plain", "elsewhere"}
    assert examples["misplaced_refs"][0]["key"] == "copied"
    assert examples["young_objects"][0]["age_days"] < 1


def test_list_bounds_the_examples_and_not_the_counts(dry):
    report = dry[0]["few"].document
    assert report["counts"] == dry[0]["json"].document["counts"]
    assert len(report["examples"]["orphaned_objects"]) == 2


def test_no_value_is_shown_in_table_or_document(dry):
    table, document = dry[0]["table"], dry[0]["json"]
    assert table.code == FOUND
    assert "objects that no row refers to" in table.printed
    assert 'key="rowless"' in table.printed
    assert "value of" not in table.printed + document.printed
    assert PLANTED not in table.printed + document.printed


def test_dry_run_changes_neither_database_nor_store(dry):
    _, before, after = dry
    assert after == before


def test_refs_of_a_fallback_are_counted_apart(dry):
    assert _counts(dry[0]["fallback"].document) == {**FAULTS, "fallback_refs": 1, "bypassed_rows": 1}


def test_grace_period_decides_what_is_young(dry):
    without = {name: count for name, count in FAULTS.items() if name != "young_objects"}
    assert _counts(dry[0]["no grace"].document) == {**without, "orphaned_objects": 3}


def test_delete_removes_orphaned_objects_alone_and_no_row(clone):
    home, places = clone
    rows, objects = _dump(home), {str(path.relative_to(home.folder)) for path in home.objects()}
    none, some, again, young = _reconcile(
        home, "--json --delete --grace-days 11", "--json --delete", "--json --delete", "--json --delete --grace-days 0"
    )
    orphans = {str(places[key].relative_to(home.folder)) for key in ORPHANS}
    assert (none.document["deleted"], set(none.objects)) == (0, objects)
    assert (some.code, some.document["deleted"], some.document["kept"]) == (FOUND, len(ORPHANS), 0)
    assert set(some.objects) == objects - orphans
    without = {name: count for name, count in FAULTS.items() if name != "orphaned_objects"}
    assert (again.document["deleted"], _counts(again.document)) == (0, without)
    assert set(young.objects) == objects - orphans - {str(places["swept"].relative_to(home.folder))}
    assert _dump(home) == rows


def test_delete_ends_with_0_where_nothing_else_is_wrong(ran, tmp_path):
    home = _clone(ran, tmp_path)
    _age(home.objects(), 10)
    _execute(home, ("DELETE FROM task_state_store WHERE key = 'rowless'",))
    found, removed = _reconcile(home, "--json", "--delete")
    assert (found.code, found.document["clean"]) == (FOUND, False)
    assert (removed.code, len(removed.objects)) == (0, 10)
    assert "removed 1 objects" in removed.printed


def test_database_of_another_deployment_deletes_nothing_unless_it_is_meant(clone, make_home):
    home, _ = clone
    strange = home.but({"database.sql_alchemy_conn": f"sqlite:///{make_home().database}"})
    number = len(home.objects())
    refused, meant = _reconcile(strange, "--json --delete", "--json --delete --yes")
    assert (refused.code, refused.document["error"]) == (REFUSED, "ConfigError")
    assert "another deployment" in refused.document["message"]
    assert len(refused.objects) == number
    assert (meant.document["deleted"], len(meant.objects)) == (number - 1, 1)


def test_refs_and_objects_of_another_stack_are_told_and_stay(clone, new_keyring, tmp_path):
    home, _ = clone
    keyring = {"lamella.keyring": f"file:{new_keyring(tmp_path / 'other.keyring')}"}
    number = len(home.objects())
    sealed, named = _reconcile(
        home, (keyring, "--json --delete --yes"), ({"lamella.alias": "renamed"}, "--json --delete --yes")
    )
    assert _counts(sealed.document) == {
        "foreign_refs": 6,
        "bypassed_rows": 2,
        "unopened_objects": 5,
        "young_objects": 1,
    }
    assert (sealed.document["deleted"], len(sealed.objects)) == (0, number)
    report = named.document
    assert {each["reason"] for each in report["examples"]["foreign_refs"]} == {"RefTagError", "no store 'main'"}
    assert (report["counts"]["foreign_refs"], report["counts"]["dangling_refs"]) == (6, 0)
    assert report["deleted"] == len(ORPHANS)


def test_what_cannot_be_compared_is_refused(ran):
    (ran.folder / "apart.py").write_text(
        "from airflow._shared.state import BaseStoreBackend\nclass Apart(BaseStoreBackend): pass\n"
    )
    inline, wrapped, apart = _reconcile(
        ran.but(PYTHONPATH=str(ran.folder)),
        ({"lamella.chain": "cobblestone256 | inline://"}, "--json"),
        ({"lamella.chain": f'cobblestone256 | "{OBJECT_STORAGE}"'}, "--json"),
        ({"state_store.backend": "apart.Apart"}, "--json"),
    )
    assert {(each.code, each.document["error"]) for each in (inline, wrapped, apart)} == {(REFUSED, "ConfigError")}
    assert "no objects here" in inline.document["message"]
    assert "no objects here" in wrapped.document["message"]
    assert "Apart" in apart.document["message"]


def test_database_without_tables_is_a_named_error(ran, tmp_path):
    [run] = _reconcile(ran.but({"database.sql_alchemy_conn": f"sqlite:///{tmp_path / 'empty.db'}"}), "--json")
    assert (run.code, run.document["error"]) == (8, "StoreError")
    assert "airflow db migrate" in run.document["message"]


@pytest.mark.parametrize("backend", ["lamella.airflow.LamellaStateBackend", "no.such.Backend", "airflow.state.no"])
@pytest.mark.parametrize("command", ["reconcile", "migrate"])
def test_backend_of_the_server_that_airflow_cannot_use_is_a_named_error(ran, command, backend):
    home = ran.but({"state_store.backend": backend})
    run = home.command("lamella", "airflow", command, check=False)
    assert (run.returncode, "[state_store] backend: Airflow itself" in run.stdout) == (REFUSED, True), run.stdout


_SEAL_ROWS = """
from airflow.models.asset_state_store import AssetStateStoreModel as Assets
from airflow.models.task_state_store import TaskStateStoreModel as Tasks
from airflow._shared.state import AssetScope, TaskScope
from airflow.utils.session import create_session
from lamella.airflow import LamellaMetastoreBackend
from sqlalchemy import select

backend = LamellaMetastoreBackend()
with create_session() as session:
    for row in session.scalars(select(Tasks)).all():
        index = getattr(row, "map_index", getattr(row, "region_index", None))
        region = {"region_id": row.region_id} if hasattr(row, "region_id") else {}
        scope = TaskScope(row.dag_id, row.run_id, row.task_id, index, **region)
        backend.set(scope, row.key, row.value, session=session)
    for row in session.scalars(select(Assets)).all():
        backend.set(AssetScope(asset_id=row.asset_id), row.key, row.value, session=session)
"""


_SPOIL_ONE = """
    row = session.scalars(select(Tasks).where(Tasks.key == "kept")).one()
    row.value = row.value[:-2] + ("A" if row.value[-2] != "A" else "E") + row.value[-1]
"""


def test_rows_that_the_server_seals_are_opened(clone):
    home = clone[0].but({"state_store.backend": "lamella.airflow.LamellaMetastoreBackend"})
    [run] = _reconcile(home, "--json --delete", first=_SEAL_ROWS)
    assert {str(row["value"])[:10] for row in home.task_rows() + home.asset_rows()} == {"lamella:1:"}
    # What is sealed there and is no ref has not bypassed the server's side.
    assert _counts(run.document) == {**FAULTS, "orphaned_objects": 3, "bypassed_rows": 1, "values_in_rows": 1}
    assert run.document["deleted"] == 3


def test_row_that_the_server_sealed_and_nobody_can_open_keeps_its_object(clone):
    home, places = clone[0].but({"state_store.backend": "lamella.airflow.LamellaMetastoreBackend"}), clone[1]
    [run] = _reconcile(home, "--json --delete", first=_SEAL_ROWS + _SPOIL_ONE)
    assert run.document["counts"]["foreign_refs"] == 2
    assert run.document["deleted"] == 3
    assert places["kept"].exists()


_KEEP_LONG_IN_ROW = """
from airflow._shared.state import TaskScope
from airflow.state.metastore import MetastoreBackend
from lamella.airflow.rows import enveloped
from lamella.airflow.settings import read_settings
from lamella.scope import Address
from lamella.state.inner import open_state_stack
from lamella.state.scopes import owner_of
from lamella.testing.payloads import noise

scope = TaskScope("reconciled", RUN, "keep")
given = {**read_settings().stack, "limits.max_inline_bytes": 2**20}
stack = open_state_stack("cobblestone256 | inline://", settings=given)
ref = stack.put(Address(owner_of(scope).scope, "long"), noise(200_000).hex())
MetastoreBackend().set(scope, "long", enveloped(ref))
"""


def test_row_that_holds_a_long_ref_with_its_object_has_not_bypassed_the_backend(ran, tmp_path):
    home = _clone(ran, tmp_path)
    run_id = home.task_rows()[0]["run_id"]
    [run] = _reconcile(home, "--json", first=f"RUN = {run_id!r}\n{_KEEP_LONG_IN_ROW}")
    assert len(home.task_rows()[-1]["value"]["__airflow_state_ref__"]) > 2 * 2**17
    assert _counts(run.document) == {"values_in_rows": 1}


_COUNT_OPEN = """
import atexit
from pathlib import Path
from lamella.stack import Stack

made, closed, plain = [], [], Stack.close
init = Stack.__init__
Stack.__init__ = lambda self, *given, **options: (made.append(self), init(self, *given, **options))[1]
Stack.close = lambda self: (closed.append(self), plain(self))[1]
atexit.register(lambda: Path("open.txt").write_text(f"{len(made)} {len(set(map(id, made)) - set(map(id, closed)))}"))
"""


def test_rows_that_nobody_could_have_written_are_told_by_their_columns_beside_the_rest(ran, tmp_path):
    home = _clone(ran, tmp_path)
    ids = [row["id"] for row in home.task_rows()]
    index = "region_index" if "region_index" in home.task_rows()[0] else "map_index"
    update = "UPDATE task_state_store SET {} WHERE id = ?"
    _execute(
        home,
        (update.format(f"{index} = -2, value = '1'"), ids[0]),
        (update.format("key = ?, value = '1'"), "k" * 5000, ids[1]),
        (update.format("value = ?"), "[" * 100_000, ids[2]),
        (update.format("value = ?"), "1" * 5000, ids[3]),
        (update.format("value = CAST('1' AS BLOB)"), ids[4]),
        (update.format("key = ?"), "r" * 5000, ids[5]),
    )
    [run] = _reconcile(home, "--json --grace-days 0")
    # Where a row stands whose address cannot be told, the object of the row that stood there has none.
    assert _counts(run.document) == {"bypassed_rows": 5, "misplaced_refs": 1, "orphaned_objects": 2}
    assert run.code == FOUND
    examples = run.document["examples"]
    assert {-2, "k" * 256} <= {part for each in examples["bypassed_rows"] for part in each.values()}
    assert examples["misplaced_refs"][0]["key"] == "r" * 256


def test_both_stacks_are_closed(clone):
    home = clone[0].but({"state_store.backend": "lamella.airflow.LamellaMetastoreBackend"})
    _reconcile(home, "--json", first=_SEAL_ROWS)
    _reconcile(home, "--json", first=_COUNT_OPEN)
    assert (home.folder / "open.txt").read_text() == "2 0"


_FIND_AGAIN = """
import json
from pathlib import Path
from lamella.airflow.reconcile import AirflowRows
from lamella.scope import Address, AssetScope, TaskScope

rows, told = AirflowRows(has_fallback=False), []
for row in rows.scan():
    found = [[each.token for each in rows.at(address)] for address in row.addresses]
    scope, key = row.addresses[0].scope, row.addresses[0].key
    strange = [Address(scope, key + " "), Address(AssetScope(name="nobody"), key)]
    if scope.kind == "task":
        names = scope.dag_id, scope.run_id, scope.task_id
        strange += [
            Address(TaskScope(*names, scope.map_index + 7, region_id=scope.region_id), key),
            Address(TaskScope(*names, scope.map_index, region_id="6f1c2a9d-03b7-4e64-8f1c-2a9d03b7e645"), key),
            Address(TaskScope(*names, scope.map_index, region_id="no uuid"), key),
        ]
    told.append([row == rows.again(row.token), row.token, found, [rows.at(each) for each in strange]])
assert rows.again("task:999999:") is None and rows.again("asset:999999:a:b") is None
Path("told.json").write_text(json.dumps(told))
"""


def test_every_row_is_found_by_each_of_its_addresses_and_by_no_other(ran):
    ran.python(_FIND_AGAIN)
    told = json.loads((ran.folder / "told.json").read_text())
    assert len(told) == 11
    for is_same, token, found, strange in told:
        assert is_same
        assert found == [[token]] * (3 if token.startswith("asset:") else 1)
        assert not any(strange)


_BARRIERS = """
import json, os, sys, time
from pathlib import Path
from airflow._shared.state import TaskScope
from airflow.state.metastore import MetastoreBackend
from lamella.airflow.reconcile import run
from lamella.airflow.settings import open_worker_stack
from lamella.scope import Address
from lamella.state.scopes import owner_of
from lamella_layers.store.directory import DirectoryStore

request = json.loads(sys.argv[1])
scope = TaskScope(**request["scope"])
stack, rows = open_worker_stack(), MetastoreBackend()
address = Address(owner_of(scope).scope, "late")
path = Path("objects", stack.engine.place(address).head)

def write_object():
    stack.put(address, "anew")

def write_row():
    ref = stack.engine.ref(stack.engine.place(address), None)
    rows.set(scope, "late", json.dumps({"__airflow_state_ref__": ref}))

def hold(name, number, act):
    plain, calls = getattr(DirectoryStore, name), []
    def held(self, *given, **options):
        calls.append(name)
        if len(calls) == number:
            setattr(DirectoryStore, name, plain)
            act()
        return plain(self, *given, **options)
    setattr(DirectoryStore, name, held)
    return lambda: setattr(DirectoryStore, name, plain)

told = {}
for case, (name, number, act) in request["cases"].items():
    rows.delete(scope, "late")
    stack.put(address, "old")
    then = time.time() - 864_000
    os.utime(path, (then, then))
    release = hold(name, number, {"object": write_object, "row": write_row}[act])
    report = run(delete=True, grace_seconds=86_400)
    release()
    told[case] = [report.deleted, report.is_clean, path.exists() and stack.get_at(address)]
Path("told.json").write_text(json.dumps(told))
"""
NEVER = 10**6
BARRIERS = {
    "nobody takes it into use": ("get", NEVER, "row"),
    "it is written anew after the listing": ("get", 1, "object"),
    "it is written anew after its version was read": ("list", 2, "object"),
    "it is written anew after its row was looked for": ("delete", 1, "object"),
    "its row is written after the listing": ("get", 1, "row"),
    "its row is written after it was opened": ("list", 2, "row"),
}


@pytest.fixture(scope="module")
def raced(ran, tmp_path_factory):
    """Give what became of an old object without a row that somebody takes into use while it is being judged."""
    home = _clone(ran, tmp_path_factory.mktemp("raced"))
    [row] = [row for row in home.task_rows() if row["key"] == "rowless"]
    scope = {name: row[name] for name in ("dag_id", "run_id", "task_id")}
    home.command(sys.executable, "-c", _BARRIERS, json.dumps({"scope": scope, "cases": BARRIERS}))
    return json.loads((home.folder / "told.json").read_text())


def test_old_object_goes_where_nobody_takes_it_into_use(raced):
    assert raced["nobody takes it into use"] == [1, True, False]


@pytest.mark.parametrize("case", [case for case in BARRIERS if case != "nobody takes it into use"])
def test_old_object_stays_where(raced, case):
    assert raced[case] == [0, True, "anew" if "written anew" in case else "old"]
