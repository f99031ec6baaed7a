"""The worker's side inside real DAG runs; what each task claims is asserted in the task."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CLAIMS = Path(__file__).parent / "worker_dags"
CANARY = "CANARY-VALUE"


def _tasks():
    """Name the tasks of the DAGs, so that each is a test of its own."""
    tree = ast.parse((CLAIMS / "claims.py").read_text())
    for block in (node for node in tree.body if isinstance(node, ast.With)):
        dag_id = block.items[0].context_expr.args[0].value
        for node in block.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield pytest.param(dag_id, node.name, id=node.name)


@pytest.fixture(scope="module")
def claims_home(make_home):
    return make_home()


@pytest.fixture(scope="module")
def outcome(claims_home):
    return claims_home.run(CLAIMS, "task_claims", "job_claims", "asset_claims", "callback_claims")


@pytest.mark.parametrize(("dag_id", "task_id"), list(_tasks()))
def test_claim_of_a_task_holds(outcome, dag_id, task_id):
    states = {index: state for (name, index), state in outcome[dag_id].tasks.items() if name == task_id}
    assert states
    assert set(states.values()) == {"success"}, outcome.log


def test_job_that_outlives_its_worker_is_found_again(outcome):
    assert outcome["job_claims"].tries == {("job_is_found_again_on_the_next_try", -1): 2}
    assert outcome.states["job_claims"] == "success"


def test_callback_reads_without_a_current_task(outcome, claims_home):
    assert outcome.states
    assert (claims_home.folder / "notes").read_text() == "callback_reads_what_the_task_wrote True\n"


def test_callback_gets_by_name_what_was_written_by_uri_and_no_copied_row(outcome, claims_home):
    assert outcome.states["callback_claims"] == "success", outcome.log
    assert (claims_home.folder / "asset-notes").read_text() == "True\n"


def test_no_value_is_in_the_log_of_refusals(outcome):
    records = [line for line in outcome.log.splitlines() if "refused to read state" in line]
    assert records
    assert CANARY not in "".join(records)
