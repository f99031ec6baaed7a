"""A deployment that kept its state in Airflow's own object-storage backend, and moves it to Lamella."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from airflow_harness.earlier import Earlier
    from airflow_harness.server import Server

__all__ = ["Deployment"]

RUN = "manual__2026-11-22T00:00:00+00:00"
_WRITER = {"kind": "task", "dag_id": "payroll", "run_id": RUN, "task_id": "extract", "map_index": -1}


@dataclass(frozen=True)
class Deployment:
    """The database of a home and the objects of its earlier backend, in the process of the tests.

    Attributes:
        server: this process as the home's server.
        earlier: the backend that wrote before.
    """

    server: Server
    earlier: Earlier

    def declare(self) -> None:
        """Make a DAG run, two assets that a DAG names, and one that no DAG names any more."""
        host, models = self.server.host, import_module("airflow.models.asset")
        with host.create_session() as session:
            session.add(host.DagRun(dag_id="payroll", run_id=RUN, run_type="manual"))
            for number, name in enumerate(("ledger", "journal", "forgotten"), 1):
                session.add(host.AssetModel(id=number, name=name, uri=f"s3://bucket/{name}"))
            session.flush()
            for name in ("ledger", "journal"):
                session.add(models.AssetActive(name=name, uri=f"s3://bucket/{name}"))

    def scopes(self) -> dict[str, tuple[Any, Any]]:
        """Give scopes as workers have them, each with what the server knows it by."""
        state, host = import_module("airflow.sdk.state"), self.server.host
        task = ("payroll", RUN, "extract")
        found = {
            "task": (state.TaskScope(*task), host.TaskScope(*task)),
            "mapped": (state.TaskScope(*task, 3), host.TaskScope(*task, 3)),
            "name": (state.AssetScope(name="ledger"), host.AssetScope(asset_id=1)),
            "uri": (state.AssetScope(uri="s3://bucket/journal"), host.AssetScope(asset_id=2)),
        }
        if host.HAS_REGIONS:
            place = (*task, 3, UUID(int=2**100 + 1))
            found["region"] = (state.TaskScope(*place), host.TaskScope(*place))
        return found

    def write(self, name: str, key: str, value: Any) -> str:
        """Write as a worker with the earlier backend does, and give the ref."""
        worker, _ = self.scopes()[name]
        kind = "task" if hasattr(worker, "dag_id") else "asset"
        hook = getattr(self.earlier.backend, f"serialize_{kind}_state_store_to_ref")
        ref = hook(value=value, key=key, scope=worker)
        self.plant(name, key, {"__airflow_state_ref__": ref})
        return ref

    def plant(self, name: str, key: str, document: object) -> None:
        """Write a row as the Execution API does."""
        _, own = self.scopes()[name]
        backend, text = self.server.host.MetastoreBackend(), json.dumps(document)
        if hasattr(own, "dag_id"):
            backend.set(own, key, text)
        else:
            kinds = self.server.host.AssetStateStoreWriterKind
            writer = {**_WRITER, "kind": kinds(_WRITER["kind"])}
            if self.server.host.HAS_REGIONS:
                identity = {"region_id": UUID(int=0), "region_index": -1, "try_number": 1}
                writer |= {"task_instance_id": UUID(int=7), **identity}
            backend.set_asset_state_store(own, key, text, **writer)

    def read(self, backend: Any, name: str, key: str) -> Any:
        """Read as a worker with some backend does, no task running."""
        worker, own = self.scopes()[name]
        document = json.loads(self.server.host.MetastoreBackend().get(own, key))
        kind = "task" if hasattr(worker, "dag_id") else "asset"
        return getattr(backend, f"deserialize_{kind}_state_store_from_ref")(document["__airflow_state_ref__"])

    def rows(self, *, values: bool = True) -> list[tuple[Any, ...]]:
        """Give every row of both tables with all its columns, or with all but the value."""
        queries = [f"SELECT * FROM {table} ORDER BY 1, 2" for table in ("task_state_store", "asset_state_store")]  # noqa: S608 - no input
        with closing(sqlite3.connect(self.server.home.database)) as database:
            database.row_factory = sqlite3.Row
            rows = [dict(row) for query in queries for row in database.execute(query)]
        return [tuple(part for name, part in row.items() if values or name != "value") for row in rows]

    def texts(self) -> dict[str, str]:
        """Give the value's text of each row by key."""
        query = "SELECT key, value FROM task_state_store UNION ALL SELECT key, value FROM asset_state_store"
        with closing(sqlite3.connect(self.server.home.database)) as database:
            return dict(database.execute(query))

    def execute(self, statement: str, *parameters: object) -> None:
        """Change the database behind Airflow's back."""
        with closing(sqlite3.connect(self.server.home.database)) as database, database:
            database.execute(statement, parameters)
