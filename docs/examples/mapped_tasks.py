"""Keep state in mapped tasks: every map index has a state store of its own, under the same keys.

Each table is exported in two steps. The handle of the export survives the failure between them, and no task sees that
of another table.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from airflow.sdk import dag, task


@dag(schedule=None, doc_md=__doc__)
def mapped_tasks():
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def export(table: str, task_state_store=None) -> str:
        handle = task_state_store.get("handle")
        if handle is None:
            task_state_store.set("handle", {"table": table, "session": secrets.token_urlsafe(32)})
            raise ConnectionError(f"the export of {table} was started; its result is not there yet")
        if handle["table"] != table:
            raise ValueError(f"the handle of {handle['table']} was given to {table}")
        print(f"Collected the export of {table}")
        return table

    export.expand(table=["orders", "customers", "products"])


mapped_tasks()
