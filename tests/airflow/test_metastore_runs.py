"""The server's side in runs of Airflow, without a worker's side and together with one."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

SECRET = b"kept-by-the-server"
SERVER = "lamella.airflow.LamellaMetastoreBackend"


@pytest.fixture(scope="module", params=[None, "lamella.airflow.LamellaStateBackend"], ids=["alone", "with worker"])
def run(request, make_home, dags):
    home = make_home({"state_store.backend": SERVER, "workers.state_store_backend": request.param})
    return home, home.run(dags / "server", "server_side")


def test_tasks_read_what_they_and_others_set(run):
    _, outcome = run
    assert outcome.states == {"server_side": "success"}
    assert outcome["server_side"].tries["resume", -1] == 2


def test_every_row_is_sealed_in_the_database(run):
    home, _ = run
    rows = home.task_rows() + home.asset_rows()
    assert sorted(row["key"] for row in rows) == ["cursor", "latest", "number", "number"]
    assert all(row["value"].startswith("lamella:1:") and ":metastore:" in row["value"] for row in rows)


def test_value_stands_nowhere_in_clear(run):
    home, _ = run
    assert SECRET not in home.stored_bytes()


def test_nothing_is_kept_outside_the_database_without_a_worker_side(run):
    home, _ = run
    assert bool(home.objects()) == (home.settings["workers.state_store_backend"] is not None)


def test_task_fails_loudly_on_a_row_that_was_planted(run, dags):
    home, _ = run
    with closing(sqlite3.connect(home.database)) as database, database:
        ((sealed,),) = database.execute("SELECT value FROM asset_state_store").fetchall()
        database.execute("UPDATE asset_state_store SET value = ?", ('"planted"',))
    outcome = home.but({"workers.execution_api_retries": "1"}).run(dags / "server", "server_side_reader")
    assert outcome.states == {"server_side_reader": "failed"}
    assert "ManifestRefusedError: the row is not sealed" in outcome.log
    with closing(sqlite3.connect(home.database)) as database, database:
        database.execute("UPDATE asset_state_store SET value = ?", (sealed,))
