"""State backends as Airflow calls them: its hooks, and what a task process pays before the first of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Case, Label, Samples, interleave, spread
from rows import Goal, Row, row_of_times
from startup import INHERITED

from lamella.keys.document import pack
from lamella.keys.edit import keygen
from lamella.keys.providers import FileKeyProvider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effort import Effort

__all__ = ["hooks"]

_AIRFLOW = os.environ.get("AIRFLOW", "3.3.2")
_PYTHON = Path(sys.prefix) / f"airflow-{_AIRFLOW}" / "bin" / "python"
_REFERENCE = "Airflow's object storage"
_GOALS = {"S": (Goal(0.2, _REFERENCE),), "M": (Goal(1.0, _REFERENCE),)}
_START_GOAL = Goal(100, None)

# What a task process has imported before it makes a backend.
_HOST = "import airflow.sdk.execution_time.task_runner, airflow.sdk.state"

# A process of the host takes seconds and varies by more than what is to be measured, so that is timed inside it.
_FIRST_PUT = f"""{_HOST}
import time
start = time.perf_counter()
from lamella.airflow import LamellaStateBackend
backend = LamellaStateBackend()
made = time.perf_counter()
backend.serialize_task_state_store_to_ref(value=1, key="key", scope=airflow.sdk.state.TaskScope("bench", "run", "task"))
print(made - start, time.perf_counter() - start)
"""


def hooks(effort: Effort, folder: Path) -> list[Row]:
    """Measure hooks against Airflow's own object-storage backend on the same folder, then whole processes."""
    if not _PYTHON.exists():
        raise SystemExit(f"there is no environment with Airflow {_AIRFLOW}: run make bench, or leave this group out")
    FileKeyProvider(folder / "keyring").save(pack(keygen("bench", created_at=int(time.time()))), replace=False)
    script = str(Path(__file__).with_name("airflow_child.py"))
    output = _run([script, str(folder), str(effort.rounds)], folder)
    samples: Samples = {(what, who): seconds for what, who, seconds in json.loads(output)}
    return [*(_hook_row(label, samples) for label in samples), *_start_rows(effort, folder)]


def _hook_row(label: Label, samples: Samples) -> Row:
    what, who = label
    goals = _GOALS[what[0]] if who.endswith("=off") else ()
    return row_of_times(f"Hooks of Airflow {_AIRFLOW}", what, label, samples, (_REFERENCE,), goals)


def _start_rows(effort: Effort, folder: Path) -> list[Row]:
    host: Label = ("start", "Airflow's task runner")
    samples = interleave([Case(host, partial(_run, ["-c", _HOST], folder))], effort.start_rounds)
    _, *outputs = [_run(["-c", _FIRST_PUT], folder) for _ in range(effort.start_rounds + 1)]
    made, stored = zip(*(map(float, output.split()) for output in outputs), strict=True)
    return [
        _start_row(host[1], samples[host]),
        _start_row("import and construction beyond it", made, (_START_GOAL,)),
        _start_row("both and a first put beyond it", stored),
    ]


def _start_row(who: str, seconds: Sequence[float], goals: tuple[Goal, ...] = ()) -> Row:
    value = spread([1e3 * each for each in seconds])
    return Row(
        group=f"Start-up in Airflow {_AIRFLOW}", what="task process", who=who, unit="ms", value=value, goals=goals
    )


def _run(arguments: list[str], folder: Path) -> bytes:
    settings = {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__LAMELLA__KEYRING": f"file:{folder}/keyring",
        "AIRFLOW__LAMELLA__CHAIN": f"zstd | padme | cobblestone256 | chunk | directory://{folder}/start?fsync=off",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    inherited = {name: value for name, value in INHERITED.items() if not name.startswith(("AIRFLOW", "LAMELLA"))}
    command = [str(_PYTHON), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**inherited, **settings}).stdout  # noqa: S603 - the programs above
