"""A whole Airflow installation in a home: API server, scheduler, DAG processor and triggerer as real processes."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from airflow_harness.outcome import DagOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_harness.home import AirflowHome

__all__ = ["Installation", "running"]

_START_SECONDS = 180
_RUN_SECONDS = 180
_ANSWER_SECONDS = 90
_STOP_SECONDS = 5
_POLL_SECONDS = 0.5
_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
_COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
_LOG_LINES_SHOWN = 80


class Installation:
    """The REST API of a running installation, and its home."""

    def __init__(self, home: AirflowHome, url: str) -> None:
        """Ask for a token as any user does; every one is an administrator here."""
        self.home = home
        token = httpx.get(f"{url}/auth/token", timeout=_ANSWER_SECONDS).raise_for_status().json()["access_token"]
        self._client = httpx.Client(
            base_url=f"{url}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=_ANSWER_SECONDS
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **query: object) -> Any:
        """Give the JSON document at a path below /api/v2."""
        return self._client.get(path, params=query).raise_for_status().json()

    def trigger(self, dag_id: str) -> str:
        """Start a run of a DAG, as soon as the DAG is known, and give the id of the run."""

        def known() -> object:
            dags = self.get("/dags", limit=100)["dags"]
            return True if dag_id in {dag["dag_id"] for dag in dags} else None

        _until(known, f"the DAG {dag_id}", _START_SECONDS)
        run = self._client.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None}).raise_for_status().json()
        return str(run["dag_run_id"])

    def first_run(self, dag_id: str) -> str:
        """Wait for the first run of a DAG that somebody else starts, and give its id."""

        def begun() -> str | None:
            runs = self.get(f"/dags/{dag_id}/dagRuns", order_by="id")["dag_runs"]
            return runs[0]["dag_run_id"] if runs else None

        return str(_until(begun, f"a run of {dag_id}", _RUN_SECONDS))

    def finished(self, dag_id: str, run_id: str) -> DagOutcome:
        """Wait for the end of a run, and tell what became of it."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}"

        def ended() -> str | None:
            state = self.get(path)["state"]
            return state if state in {"success", "failed"} else None

        state = str(_until(ended, f"the end of {dag_id}", _RUN_SECONDS))
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
        path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        shown = [self.get(f"{path}/{task}/state-store", map_index=index) for task, index in sorted(run.tasks)]
        return [row["value"] for each in shown for row in each["task_state_store"]]

    def asset_values(self, name: str) -> list[Any]:
        """Give what the API shows as the state of an asset."""
        [asset] = [each for each in self.get("/assets")["assets"] if each["name"] == name]
        return [row["value"] for row in self.get(f"/assets/{asset['id']}/state-store")["asset_state_store"]]


def _until(ask: Callable[[], object], what: str, within_seconds: float) -> object:
    deadline = time.monotonic() + within_seconds
    while (answer := ask()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_seconds} s for {what}")
        time.sleep(_POLL_SECONDS)
    return answer


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def running(home: AirflowHome, *folders: Path) -> Iterator[Installation]:
    """Start an installation on the home for the DAGs of folders, and stop all of it at the end.

    The end of each component's log is printed, which pytest shows where a test fails.
    """
    bundles = [{"name": folder.name, "classpath": _BUNDLE, "kwargs": {"path": str(folder)}} for folder in folders]
    api, worker_logs, triggerer_logs = _free_ports(3)
    url = f"http://127.0.0.1:{api}"
    home = home.but(
        {
            "api.port": str(api),
            "api.host": "127.0.0.1",
            "api.workers": "1",
            "api_auth.jwt_secret": secrets.token_urlsafe(64),
            "core.dags_are_paused_at_creation": "False",
            "core.execution_api_server_url": f"{url}/execution/",
            "core.executor": "LocalExecutor",
            "core.parallelism": "2",
            "core.simple_auth_manager_all_admins": "True",
            "dag_processor.dag_bundle_config_list": json.dumps(bundles),
            "dag_processor.parsing_processes": "1",
            "logging.trigger_log_server_port": str(triggerer_logs),
            "logging.worker_log_server_port": str(worker_logs),
            "workers.execution_api_timeout": str(_ANSWER_SECONDS),
        }
    )
    started: list[psutil.Process] = []
    try:
        started.append(_start(home, "api-server"))
        _until(lambda: _health(url, started), "the API server", _START_SECONDS)
        started += [_start(home, component) for component in _COMPONENTS[1:]]
        _until(lambda: _healthy(url, started), "a healthy installation", _START_SECONDS)
        with closing(Installation(home, url)) as installation:
            yield installation
    finally:
        _stop(started)
        for component in _COMPONENTS:
            lines = _log(home, component).read_text(errors="replace").splitlines()
            print(f"--- {component}", *lines[-_LOG_LINES_SHOWN:], sep="\n")  # noqa: T201 - pytest shows it on failure


def _log(home: AirflowHome, component: str) -> Path:
    return home.folder / f"{component}.log"


def _start(home: AirflowHome, component: str) -> psutil.Process:
    with _log(home, component).open("wb") as log:
        return psutil.Popen(
            ["airflow", component],
            env=home.variables,
            cwd=home.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _health(url: str, started: list[psutil.Process]) -> dict[str, dict[str, str]] | None:
    for process in started:
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(process.args)} ended with {process.returncode}")
    try:
        answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=_ANSWER_SECONDS)
    except httpx.TransportError:
        return None
    return dict(answer.raise_for_status().json())


def _healthy(url: str, started: list[psutil.Process]) -> bool | None:
    health = _health(url, started)
    return True if health and all(each["status"] == "healthy" for each in health.values()) else None


def _stop(started: list[psutil.Process]) -> None:
    """Ask every component to end, then kill what is left of them and of their children."""
    family = [*started, *(child for each in started for child in _children(each))]
    for process in started:
        process.terminate()
    _, left = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for process in left:
        process.kill()
    _, left = psutil.wait_procs(left, timeout=_STOP_SECONDS)
    if left:
        raise RuntimeError(f"these would not end: {left}")


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []
