"""Run DAGs in this process, as `DAG.test` does; the settings are those of the environment.

Reads `{"dag_ids": [...], "told": PATH}` from standard input and writes the final states to the path, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow.configuration import conf
from airflow.dag_processing.dagbag import DagBag

__all__ = ["main"]


def main() -> None:
    """Run each DAG once, in the order in which they are named."""
    request = json.load(sys.stdin)
    bag = DagBag(conf.get("core", "dags_folder"))
    if bag.import_errors:
        raise SystemExit("\n".join(f"{path}: {error}" for path, error in bag.import_errors.items()))
    told = []
    for dag_id in request["dag_ids"]:
        run = bag.dags[dag_id].test()
        tasks = [(each.task_id, each.map_index, each.state, each.try_number) for each in run.get_task_instances()]
        told.append({"dag_id": dag_id, "run_id": run.run_id, "state": run.state, "tasks": tasks})
    Path(request["told"]).write_text(json.dumps(told))


if __name__ == "__main__":
    main()
