"""The examples and the tests' own DAGs on a whole installation: scheduler, workers, triggerer, API."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from airflow_harness.components import DEADLINE_SECONDS
from airflow_harness.installation import running

# The first test waits for the installation, and for what comes before and after it.
pytestmark = [pytest.mark.full, pytest.mark.timeout(2 * DEADLINE_SECONDS)]

CANARY = "canary-of-the-installation-55c1a2e8"
TRIGGERED = (
    "cursor_on_retry",
    "large_payload",
    "mapped_tasks",
    "watermark_producer",
    "values_kept",
    "async_state",
    "killed_in_clear",
)
STARTED_BY_ASSETS = ("watermark_consumer", "inbox_watcher", "feed_watcher")
SUCCESSFUL = sorted({*TRIGGERED, *STARTED_BY_ASSETS} - {"killed_in_clear"})


@pytest.fixture(scope="module")
def ran(make_home, dags, examples, tmp_path_factory):
    """Run everything once; give the home as it was left, the runs, and what the API showed of the state."""
    inbox = tmp_path_factory.mktemp("inbox")
    (inbox / f"{CANARY}.csv").touch()
    home = make_home().but(CANARY=CANARY, INBOX=str(inbox), KEY="\N{SNOWMAN}")
    with running(home, examples, dags) as airflow:
        begun = [(dag_id, airflow.trigger(dag_id)) for dag_id in TRIGGERED]
        begun += [(dag_id, airflow.first_run(dag_id)) for dag_id in STARTED_BY_ASSETS]
        runs = {dag_id: airflow.finished(dag_id, run_id) for dag_id, run_id in begun}
        shown = [value for run in runs.values() for value in airflow.task_values(run)]
        shown += [value for name in ("orders", "inbox", "feed", "kept", "log") for value in airflow.asset_values(name)]
    return SimpleNamespace(home=home, runs=runs, shown=shown)


@pytest.mark.parametrize("dag_id", SUCCESSFUL)
def test_dag_ends_in_success(ran, dag_id):
    assert ran.runs[dag_id].state == "success", ran.home.task_logs(dag_id)


def test_watcher_on_the_triggerer_keeps_what_it_saw(ran):
    assert "The watcher has seen 1 files" in ran.home.task_logs("inbox_watcher")
    rows = [row for row in ran.home.asset_rows() if row["name"] == "inbox"]
    assert ran.home.read("asset", rows) == [{"value": [f"{CANARY}.csv"]}]


def test_api_shows_refs_alone(ran):
    assert len(ran.shown) == len(ran.home.task_rows() + ran.home.asset_rows()) > 40
    assert all(value["__airflow_state_ref__"].startswith("lamella:1:") for value in ran.shown)


def test_value_stands_nowhere_in_clear(ran):
    assert CANARY in json.dumps(ran.home.read("asset", ran.home.asset_rows()))
    assert CANARY.encode() not in ran.home.stored_bytes()
    assert not [path for path in ran.home.folder.rglob("*.log") if CANARY in path.read_text(errors="replace")]


def test_worker_killed_while_it_clears_leaves_rows_without_objects(ran):
    rows = [row for row in ran.home.task_rows() if row["dag_id"] == "killed_in_clear"]
    assert sorted(row["map_index"] for row in rows) == [0, 1]
    assert len(ran.home.objects()) == len(ran.shown) - len(rows)
    assert ran.home.read("task", rows) == [{"error": "ObjectNotFoundError"}] * 2
    assert ran.home.but({"lamella.missing_object": "none"}).read("task", rows) == [{"value": None}] * 2


def test_next_try_reads_an_error_or_none_as_configured(ran):
    run = ran.runs["killed_in_clear"]
    assert run.tries == {("clear", 0): 2, ("clear", 1): 2}
    assert run.tasks == {("clear", 0): "failed", ("clear", 1): "success"}, ran.home.task_logs("killed_in_clear")
    assert "ObjectNotFoundError" in ran.home.task_logs("killed_in_clear")
