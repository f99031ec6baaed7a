"""The components of an installation: their processes, their logs, and the one deadline of all that is waited for."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import httpx
import psutil

from airflow_harness.home import last_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from airflow_harness.home import AirflowHome

__all__ = ["DEADLINE_SECONDS", "Components"]

DEADLINE_SECONDS = 900
"""All waits for one installation share these, so that a slow start leaves its runs what a fast one does not need."""
_STOP_SECONDS = 60
_POLL_SECONDS = 0.5

_T = TypeVar("_T")


class Components:
    """Processes in a home, one a component, each with a log there."""

    def __init__(self, home: AirflowHome, within_seconds: float = DEADLINE_SECONDS) -> None:
        """Begin to count the seconds."""
        self._home = home
        self._within_seconds = within_seconds
        self._deadline = time.monotonic() + within_seconds
        self._started: dict[str, psutil.Popen] = {}

    def start(self, name: str, *command: str) -> None:
        """Start a component; its log has its name."""
        with self._log(name).open("wb") as log:
            self._started[name] = psutil.Popen(
                command,
                env=self._home.variables,
                cwd=self._home.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def until(self, ask: Callable[[], _T | None], what: str) -> _T:
        """Ask again and again until there is an answer; a server that is late or at fault gives none yet.

        Raises:
            TimeoutError: The deadline is over.
            RuntimeError: A component has ended.
            httpx.HTTPStatusError: The request is refused.
        """
        fault: httpx.HTTPError | None = None
        while True:
            try:
                if (answer := ask()) is not None:
                    return answer
            except httpx.TransportError as error:
                fault = error
            except httpx.HTTPStatusError as error:
                if not error.response.is_server_error:
                    raise
                fault = error
            self._check()
            if time.monotonic() > self._deadline:
                raise TimeoutError(f"waited for {what} until the {self._within_seconds} s were over") from fault
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Ask every component to end, then kill what is left of them and of their children.

        Raises:
            RuntimeError: Something would not end.
        """
        started = list(self._started.values())
        family = [*started, *(child for each in started for child in _children(each))]
        for process in started:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        for process in _left(family):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if left := _left(family):
            raise RuntimeError(f"these would not end: {left}")

    def print_logs(self) -> None:
        """Print the end of each log, which pytest shows where a test fails."""
        for name in self._started:
            print(f"--- {name}", last_lines(self._log(name).read_text(errors="replace")), sep="\n")  # noqa: T201 - said above

    def _log(self, name: str) -> Path:
        return self._home.folder / f"{name}.log"

    def _check(self) -> None:
        for name, process in self._started.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}")


def _left(family: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Give the processes that still run when their time is over."""
    deadline = time.monotonic() + _STOP_SECONDS
    while (left := [process for process in family if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return left


def _runs(process: psutil.Process) -> bool:
    """Say whether a process runs; one that ended may stay a zombie, as its parent pleases."""
    if isinstance(process, psutil.Popen):
        return process.poll() is None
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return list(process.children(recursive=True))
    return []
