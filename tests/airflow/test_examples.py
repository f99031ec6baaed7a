"""The example DAGs of the documentation do what they say, and the database keeps refs alone."""

from __future__ import annotations

import pytest

EXAMPLES = {
    "cursor_on_retry": {"cursor_on_retry": "ingest"},
    "inbox_watcher": {"inbox_watcher": "process"},
    "large_payload": {"large_payload": "collect"},
    "mapped_tasks": {"mapped_tasks": "export"},
    "watermark_on_asset": {"watermark_producer": "load", "watermark_consumer": "report"},
}
TASKS = {dag_id: task for tasks in EXAMPLES.values() for dag_id, task in tasks.items()}
SECRET_CHARACTERS = 32


@pytest.fixture(scope="module")
def ran(make_home, examples):
    home = make_home()
    return home, home.run(examples, "watermark_producer", *TASKS)


@pytest.fixture(scope="module")
def values(ran):
    home, _ = ran
    return home.read("task", home.task_rows()), home.read("asset", home.asset_rows())


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


@pytest.mark.parametrize("dag_id", TASKS)
def test_example_ends_in_success(ran, dag_id):
    _, outcome = ran
    assert outcome[dag_id].state == "success", outcome.log
    assert {(task, state) for (task, _), state in outcome[dag_id].tasks.items()} == {(TASKS[dag_id], "success")}


def test_every_example_is_run(examples):
    assert {path.stem for path in examples.glob("*.py")} == EXAMPLES.keys()


@pytest.mark.parametrize("dag_id", ["cursor_on_retry", "large_payload", "mapped_tasks"])
def test_retry_goes_on_with_what_the_first_try_stored(ran, dag_id):
    _, outcome = ran
    assert set(outcome[dag_id].tries.values()) == {2}


def test_cursor_goes_on_after_the_page_that_was_stored(ran):
    _, outcome = ran
    assert "Try 1 begins after page 0" in outcome.log
    assert "Try 2 begins after page 3" in outcome.log


def test_watermark_outlives_the_run_and_reaches_the_consumer(ran, values):
    _, outcome = ran
    assert "Load what is newer than load 1" in outcome.log
    assert "Load 2 was done at" in outcome.log
    [watermark] = values[1]
    assert watermark["value"]["loads"] == 2


def test_rows_hold_refs_alone(ran):
    home, _ = ran
    rows = home.task_rows() + home.asset_rows()
    assert len(rows) == 6
    for row in rows:
        assert list(row["value"]) == ["__airflow_state_ref__"]
        assert row["value"]["__airflow_state_ref__"].startswith("lamella:1:")
        assert len(row["value"]["__airflow_state_ref__"]) < 300


def test_no_text_of_a_value_stands_in_the_database_or_in_an_object(ran, values):
    home, _ = ran
    secret = {
        text for told in values for each in told for text in _texts(each["value"]) if len(text) >= SECRET_CHARACTERS
    }
    assert len(secret) > 20_000
    stored = home.stored_bytes()
    assert not [text for text in secret if text.encode() in stored]
