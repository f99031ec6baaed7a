"""Clients of Airflow's own routes, the Execution API and the public one, in the process of the tests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.api_fastapi.app import create_app
from airflow.api_fastapi.execution_api.app import InProcessExecutionAPI
from airflow.api_fastapi.execution_api.datamodels.token import TIClaims, TIToken
from airflow.api_fastapi.execution_api.security import _jwt_bearer
from airflow.models.taskinstance import TaskInstance
from starlette.testclient import TestClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_harness.server import Server

__all__ = ["core_client", "execution_client", "task_instance"]


def task_instance(server: Server, task_id: str) -> TaskInstance:
    """Give the one instance of a task, apart from its session."""
    with server.host.create_session() as session:
        task = session.query(TaskInstance).filter_by(task_id=task_id).one()
        session.expunge_all()
    return task


@contextmanager
def execution_client(task: TaskInstance) -> Iterator[TestClient]:
    """Give a client of the Execution API, with the token of a task."""
    app = InProcessExecutionAPI().app
    app.dependency_overrides[_jwt_bearer] = lambda: TIToken(id=task.id, claims=TIClaims(scope="execution"))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@contextmanager
def core_client() -> Iterator[TestClient]:
    """Give a client of the public API, as a user who may do everything."""
    with TestClient(create_app("core"), raise_server_exceptions=False) as client:
        token = client.get("/auth/token").json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client
