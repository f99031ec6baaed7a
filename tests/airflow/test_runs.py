"""Runs of Airflow with the worker's side: values, retries, mapped tasks, clearing, refusals."""

from __future__ import annotations

import base64
import json

import pytest

CANARY = "canary-of-the-runs-0d0cbd4f"


@pytest.fixture(scope="module")
def ran(make_home, dags):
    home = make_home().but(CANARY=CANARY)
    return home, home.run(dags, "values_kept", "mapped_apart", "nan_refused")


@pytest.fixture(scope="module")
def with_another_keyring(ran, new_keyring, dags, tmp_path_factory):
    path = new_keyring(tmp_path_factory.mktemp("another") / "lamella.keyring")
    home = ran[0].but({"lamella.keyring": f"file:{path}"})
    return home, home.run(dags, "values_read")


def _forms(canary):
    """Give the spellings in which a value might stand in a dump: as it is, as hex, and as base64 at each offset."""
    raw = canary.encode()
    inner = [base64.b64encode(b"\0" * lead + raw)[4:-4] for lead in range(3)]
    return [raw, raw.hex().encode(), raw.hex().upper().encode(), *inner]


@pytest.mark.parametrize("dag_id", ["values_kept", "mapped_apart"])
def test_values_are_the_same_after_a_retry(ran, dag_id):
    _, outcome = ran
    assert outcome[dag_id].state == "success", outcome.log
    assert set(outcome[dag_id].tries.values()) == {2}


def test_mapped_task_that_clears_or_deletes_leaves_the_others_alone(ran):
    home, _ = ran
    rows = [row for row in home.task_rows() if row["dag_id"] == "mapped_apart"]
    assert sorted((row["map_index"], row["key"]) for row in rows) == [(1, "b"), (2, "a"), (2, "b")]
    assert [told["value"]["number"] for told in home.read("task", rows)] == [row["map_index"] for row in rows]


def test_value_stands_nowhere_in_clear(ran):
    home, outcome = ran
    assert CANARY in json.dumps(home.read("task", home.task_rows()) + home.read("asset", home.asset_rows()))
    stored = home.stored_bytes()
    assert not [form for form in _forms(CANARY) if form in stored]
    assert CANARY not in outcome.log


def test_each_row_has_a_ref_and_each_ref_one_object(ran):
    home, _ = ran
    rows = home.task_rows() + home.asset_rows()
    assert all(row["value"]["__airflow_state_ref__"].startswith("lamella:1:") for row in rows)
    assert len({row["value"]["__airflow_state_ref__"] for row in rows}) == len(rows) == len(home.objects()) == 21


def test_number_that_is_no_json_is_refused_loudly(ran):
    _, outcome = ran
    assert outcome["nan_refused"].tasks == {("in_task", -1): "failed", ("in_asset", -1): "failed"}
    assert outcome.log.count("lamella.errors.InvalidValueError: ") == 2


def test_refused_value_leaves_no_row(ran):
    home, _ = ran
    assert "nan_refused" not in {row["dag_id"] for row in home.task_rows()}
    assert "refused" not in {row["name"] for row in home.asset_rows()}


def test_clear_on_success_leaves_no_object_and_no_row_of_a_task(make_home, dags):
    home = make_home({"state_store.clear_on_success": "True"}).but(CANARY=CANARY)
    outcome = home.run(dags, "values_kept", "mapped_apart")
    assert outcome.states == {"values_kept": "success", "mapped_apart": "success"}
    assert home.task_rows() == []
    assert len(home.objects()) == len(home.asset_rows()) == 9


def test_task_with_another_keyring_fails_loudly(with_another_keyring):
    _, outcome = with_another_keyring
    assert outcome.states == {"values_read": "failed"}
    assert "lamella.errors.KeyVersionNotFoundError: " in outcome.log
    assert CANARY not in outcome.log


@pytest.mark.parametrize("kind", ["task", "asset"])
def test_every_read_with_another_keyring_is_a_named_error(with_another_keyring, kind):
    home, _ = with_another_keyring
    rows = {"task": home.task_rows, "asset": home.asset_rows}[kind]()
    assert home.read(kind, rows) == [{"error": "KeyVersionNotFoundError"}] * len(rows) != []


def test_keyring_that_is_missing_fails_the_task_loudly(ran, dags, tmp_path):
    home = ran[0].but({"lamella.keyring": f"file:{tmp_path}/none.keyring"})
    outcome = home.run(dags, "values_read")
    assert outcome.states == {"values_read": "failed"}
    assert "none.keyring" in outcome.log
