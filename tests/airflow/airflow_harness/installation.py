"""A whole Airflow installation in a home: API server, scheduler, DAG processor and triggerer as real processes."""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from airflow_harness.components import DEADLINE_SECONDS, Components
from airflow_harness.outcome import DagOutcome
from airflow_harness.ports import reserved_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_harness.home import AirflowHome

__all__ = ["Installation", "running"]

_ANSWER_SECONDS = 90
_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
_COMPONENTS = ("scheduler", "dag-processor", "triggerer")
_HEALTH_THRESHOLDS = (
    "scheduler.scheduler_health_check_threshold",
    "dag_processor.health_check_threshold",
    "triggerer.triggerer_health_check_threshold",
    "triggerer.runner_health_check_threshold",
)


class Installation:
    """The REST API of a running installation."""

    def __init__(self, client: httpx.Client, components: Components) -> None:
        """Ask for a token as any user does; every one is an administrator here."""
        self._client, self._components = client, components
        self._client.headers["Authorization"] = f"Bearer {self.get('/auth/token')['access_token']}"

    def get(self, path: str, **query: object) -> Any:
        """Give the JSON document at a path."""
        return self._components.until(lambda: self._client.get(path, params=query).raise_for_status().json(), path)

    def trigger(self, dag_id: str) -> str:
        """Start a run of a DAG, as soon as the DAG is known, and give the id of the run.

        The id is chosen here: a request may be done although its answer is lost, and is then refused the next time.
        """
        run_id = f"run_of_{dag_id}"

        def begun() -> str | None:
            request = {"dag_run_id": run_id, "logical_date": None}
            answer = self._client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=request)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            if answer.status_code != httpx.codes.CONFLICT:
                answer.raise_for_status()
            return run_id

        return self._components.until(begun, f"the DAG {dag_id}")

    def first_run(self, dag_id: str) -> str:
        """Wait for the first run of a DAG that somebody else starts, and give its id."""

        def begun() -> str | None:
            runs = self.get(f"/api/v2/dags/{dag_id}/dagRuns", order_by="id")["dag_runs"]
            return runs[0]["dag_run_id"] if runs else None

        return self._components.until(begun, f"a run of {dag_id}")

    def finished(self, dag_id: str, run_id: str) -> DagOutcome:
        """Wait for the end of a run, and tell what became of it."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"

        def ended() -> str | None:
            state = self.get(path)["state"]
            return state if state in {"success", "failed"} else None

        state = self._components.until(ended, f"the end of {dag_id}")
        tasks = self.get(f"{path}/taskInstances")["task_instances"]
        return DagOutcome(
            dag_id=dag_id,
            run_id=run_id,
            state=state,
            tasks={(task["task_id"], task["map_index"]): task["state"] for task in tasks},
            tries={(task["task_id"], task["map_index"]): task["try_number"] for task in tasks},
        )

    def task_values(self, run: DagOutcome) -> list[Any]:
        """Give what the API shows as the state of every task of a run."""
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        shown = [self.get(f"{path}/{task}/state-store", map_index=index) for task, index in sorted(run.tasks)]
        return [row["value"] for each in shown for row in each["task_state_store"]]

    def asset_values(self, name: str) -> list[Any]:
        """Give what the API shows as the state of an asset."""
        [asset] = [each for each in self.get("/api/v2/assets")["assets"] if each["name"] == name]
        return [row["value"] for row in self.get(f"/api/v2/assets/{asset['id']}/state-store")["asset_state_store"]]


@contextmanager
def running(home: AirflowHome, *folders: Path) -> Iterator[Installation]:
    """Start an installation on the home for the DAGs of folders, and stop all of it at the end.

    The end of each component's log is printed, which pytest shows where a test fails.
    """
    with ExitStack() as ends:
        api, worker_logs, triggerer_logs = ends.enter_context(reserved_ports(3))
        url = f"http://127.0.0.1:{api}"
        ports = {
            "api.port": str(api),
            "core.execution_api_server_url": f"{url}/execution/",
            "logging.trigger_log_server_port": str(triggerer_logs),
            "logging.worker_log_server_port": str(worker_logs),
        }
        components = Components(home.but({**_settings(folders), **ports}))
        ends.callback(components.print_logs)
        ends.callback(components.stop)
        client = ends.enter_context(closing(httpx.Client(base_url=url, timeout=_ANSWER_SECONDS)))
        components.start("api-server", "airflow", "api-server")
        components.until(lambda: _health(client), "the API server")
        for name in _COMPONENTS:
            components.start(name, "airflow", name)
        components.until(lambda: _healthy(client), "a healthy installation")
        yield Installation(client, components)


def _settings(folders: tuple[Path, ...]) -> dict[str, str]:
    """Make an installation small, and patient on a machine that has other work."""
    bundles = [{"name": folder.name, "classpath": _BUNDLE, "kwargs": {"path": str(folder)}} for folder in folders]
    return {
        "api.host": "127.0.0.1",
        "api.workers": "1",
        "api_auth.jwt_secret": secrets.token_urlsafe(64),
        "core.dags_are_paused_at_creation": "False",
        "core.executor": "LocalExecutor",
        "core.parallelism": "2",
        "core.simple_auth_manager_all_admins": "True",
        "dag_processor.dag_bundle_config_list": json.dumps(bundles),
        "dag_processor.parsing_processes": "1",
        "workers.execution_api_timeout": str(_ANSWER_SECONDS),
        **dict.fromkeys(_HEALTH_THRESHOLDS, str(DEADLINE_SECONDS)),
    }


def _health(client: httpx.Client) -> dict[str, dict[str, str]]:
    return dict(client.get("/api/v2/monitor/health").raise_for_status().json())


def _healthy(client: httpx.Client) -> bool | None:
    return True if all(each["status"] == "healthy" for each in _health(client).values()) else None
