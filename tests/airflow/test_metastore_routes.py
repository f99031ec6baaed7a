"""The server's side behind the routes that workers and people call."""

from __future__ import annotations

import json
from importlib import import_module

import pytest
from airflow_harness.server import SERVER_SIDE, serving

# Airflow and the frameworks under it warn of each other.
pytestmark = pytest.mark.filterwarnings("default")

SETTINGS = {"core.simple_auth_manager_all_admins": "True", "api_auth.jwt_secret": "of-the-tests-" * 8}


@pytest.fixture(scope="module")
def server(make_home, dags):
    home = make_home({**SERVER_SIDE, **SETTINGS})
    home.run(dags / "server", "server_side")
    with serving(home) as server:
        yield server


@pytest.fixture(scope="module")
def routes(server):
    assert server
    return import_module("airflow_harness.routes")


@pytest.fixture(scope="module")
def task(server, routes):
    return routes.task_instance(server, "resume")


@pytest.fixture(scope="module")
def execution(routes, task):
    """Give a client of what workers call, as the task that ran."""
    with routes.execution_client(task) as client:
        yield client


@pytest.fixture(scope="module")
def core(routes):
    """Give a client of what people call."""
    with routes.core_client() as client:
        yield client


@pytest.fixture
def task_url(task):
    return f"/store/ti/{task.id}"


@pytest.fixture
def core_url(task):
    return f"/api/v2/dags/{task.dag_id}/dagRuns/{task.run_id}/taskInstances/{task.task_id}/state-store"


def test_worker_reads_what_it_wrote_and_the_row_is_sealed(server, execution, task_url):
    assert execution.put(f"{task_url}/own", json={"value": {"ä": [1]}}).status_code == 204
    assert execution.get(f"{task_url}/own").json() == {"value": {"ä": [1]}}
    assert json.loads(server.stored("own")).startswith("lamella:1:")


def test_worker_reads_what_it_wrote_of_an_asset_and_the_writer_is_recorded(server, execution, task):
    for by in ({"name": "server_side_readings"}, {"uri": "x-tests://server/side/readings"}):
        url, params = f"/store/asset/by-{next(iter(by))}/value", {**by, "key": "by a task"}
        assert execution.put(url, params=params, json={"value": "ä"}).status_code == 204
        assert execution.get(url, params=params).json() == {"value": "ä"}
    assert json.loads(server.stored("by a task")).startswith("lamella:1:")
    with server.host.create_session() as session:
        row = session.query(server.host.AssetStateStoreModel).filter_by(key="by a task").one()
        assert (row.last_updated_by_kind, row.last_updated_by_run_id) == ("task", task.run_id)


def test_worker_finds_nothing_where_nothing_is(execution, task_url):
    assert execution.get(f"{task_url}/absent").status_code == 404


def test_worker_clears_sealed_rows(execution, task_url):
    execution.put(f"{task_url}/short", json={"value": 1})
    assert execution.delete(f"{task_url}/short").status_code == 204
    assert execution.get(f"{task_url}/short").status_code == 404


def test_person_sees_sealed_text_in_place_of_values(core, core_url):
    listed = core.get(core_url)
    assert listed.status_code == 200
    assert {row["key"]: row["value"][:10] for row in listed.json()["task_state_store"]}["cursor"] == "lamella:1:"
    assert core.get(f"{core_url}/cursor").json()["value"].startswith("lamella:1:")


def test_person_sees_sealed_text_in_place_of_values_of_an_asset(server, core):
    with server.host.create_session() as session:
        number = session.query(server.host.AssetModel.id).filter_by(name="server_side_readings").scalar()
    listed = core.get(f"/api/v2/assets/{number}/state-store")
    assert listed.status_code == 200
    assert {row["key"]: row["value"][:10] for row in listed.json()["asset_state_store"]}["latest"] == "lamella:1:"


def test_person_removes_a_sealed_row(execution, core, task_url, core_url):
    execution.put(f"{task_url}/removed", json={"value": 1})
    assert core.delete(f"{core_url}/removed").status_code == 204
    assert execution.get(f"{task_url}/removed").status_code == 404


def test_worker_is_refused_what_a_person_wrote_and_the_log_names_the_error(execution, core, task_url, core_url, capfd):
    assert core.put(f"{core_url}/planted", json={"value": "canary of a person"}).status_code == 204
    capfd.readouterr()
    assert execution.get(f"{task_url}/planted").status_code == 500
    log = "".join(capfd.readouterr())
    assert "ManifestRefusedError: the row is not sealed" in log
    assert "canary" not in log


def test_sealed_text_that_a_person_puts_back_is_read(execution, core, task_url, core_url):
    execution.put(f"{task_url}/kept", json={"value": 1})
    sealed = core.get(f"{core_url}/kept").json()["value"]
    execution.put(f"{task_url}/kept", json={"value": 2})
    assert core.put(f"{core_url}/kept", json={"value": sealed}).status_code == 204
    assert execution.get(f"{task_url}/kept").json() == {"value": 1}
