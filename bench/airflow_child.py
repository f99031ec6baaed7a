"""Put and get values through the hooks of state backends, where Airflow is: `airflow_child.py FOLDER ROUNDS`.

Prints the samples as JSON. Airflow reads its settings when it is imported, so they are set here first.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import data
from contenders import Contender, names
from measure import Case, interleave

__all__ = ["main"]

_AIRFLOW = "Airflow's object storage"
_STORES = {
    "lamella, fsync=off": "directory://{}/off?fsync=off",
    "lamella, fsync=file": "directory://{}/file?fsync=file",
    "lamella, sqlite, synchronous=off": "sqlite:///{}/state.db?synchronous=off",
}
_SIZES = {"S": data.small, "M": data.medium}


def main() -> None:
    """Interleave the backends over one folder."""
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    os.environ["AIRFLOW_HOME"] = str(folder)
    os.environ["AIRFLOW__LAMELLA__KEYRING"] = f"file:{folder}/keyring"
    os.environ["AIRFLOW__COMMON_IO__STATE_STORE_OBJECTSTORAGE_PATH"] = f"file://{folder}/objects/airflow"
    cases = [
        case
        for size, make in _SIZES.items()
        for who, backend in _backends(folder)
        for case in _cases(size, who, backend, make())
    ]
    samples = interleave(cases, rounds)
    json.dump([[*label, seconds] for label, seconds in samples.items()], sys.stdout)


def _backends(folder: Path) -> list[tuple[str, Any]]:
    from airflow.providers.common.io.state_store.backend import (  # noqa: PLC0415 - after its settings
        StateStoreObjectStorageBackend,
    )

    from lamella.airflow import LamellaStateBackend  # noqa: PLC0415 - after its settings

    backends = [(_AIRFLOW, StateStoreObjectStorageBackend())]
    for who, store in _STORES.items():
        os.environ["AIRFLOW__LAMELLA__CHAIN"] = "zstd | padme | cobblestone256 | chunk | " + store.format(
            f"{folder}/objects"
        )
        backend = LamellaStateBackend()
        _ = backend.stack  # Opened now, while its settings stand.
        backends.append((who, backend))
    return backends


def _cases(size: str, who: str, backend: Any, values: list[object]) -> list[Case]:  # noqa: ANN401 - a backend of the host
    from airflow.sdk.state import TaskScope  # noqa: PLC0415 - after its settings

    scope = TaskScope("bench", f"run-{size}", "task")

    def put(key: str, value: object) -> str:
        ref: str = backend.serialize_task_state_store_to_ref(value=value, key=key, scope=scope)
        return ref

    contender = Contender(who, put, backend.deserialize_task_state_store_from_ref, names(len(values)))
    cases = contender.cases(values)
    return [Case((f"{size} {case.label[0]}", who), case.run, case.operations) for case in cases]


if __name__ == "__main__":
    main()
