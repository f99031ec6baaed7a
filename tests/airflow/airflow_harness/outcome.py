"""What became of the DAGs of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["DagOutcome", "Outcome"]


@dataclass(frozen=True, kw_only=True)
class DagOutcome:
    """What became of one DAG.

    Attributes:
        state: of the DAG run, `success` or `failed`.
        run_id: of the DAG run.
        tasks: the state of each task instance by task id and map index, -1 where the task is not mapped.
        tries: how often each was tried, alike.
    """

    dag_id: str
    run_id: str
    state: str
    tasks: Mapping[tuple[str, int], str]
    tries: Mapping[tuple[str, int], int]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the DAGs of one run, in their order, and all that the process printed, the task logs included."""

    runs: Sequence[DagOutcome]
    log: str

    @classmethod
    def read(cls, told: Sequence[Mapping[str, Any]], log: str) -> Outcome:
        """Read what `run_dags.py` tells."""
        runs = [
            DagOutcome(
                dag_id=run["dag_id"],
                run_id=run["run_id"],
                state=run["state"],
                tasks={(task, index): state for task, index, state, _ in run["tasks"]},
                tries={(task, index): tries for task, index, _, tries in run["tasks"]},
            )
            for run in told
        ]
        return cls(runs=runs, log=log)

    @property
    def states(self) -> dict[str, str]:
        """The final state of each DAG; of one that ran twice, the last."""
        return {run.dag_id: run.state for run in self.runs}

    def __getitem__(self, dag_id: str) -> DagOutcome:
        """Give the last run of a DAG."""
        return next(run for run in reversed(self.runs) if run.dag_id == dag_id)
