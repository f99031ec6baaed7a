"""Keep a value of 2 MB: it goes to the store of objects, and the metadata database keeps a short ref.

The REST API of Airflow itself refuses values of more than 65,535 bytes (`[state_store] max_value_storage_bytes`).
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from airflow.sdk import dag, task

ROWS = 20_000


@dag(schedule=None, doc_md=__doc__)
def large_payload():
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def collect(task_state_store=None) -> int:
        checkpoint = task_state_store.get("checkpoint")
        if checkpoint is None:
            rows = [{"order": number, "customer": secrets.token_hex(38)} for number in range(ROWS)]
            task_state_store.set("checkpoint", {"rows": rows, "last": rows[-1]})
            raise ConnectionError("the rows are collected; the warehouse does not answer")
        if checkpoint["rows"][-1] != checkpoint["last"]:
            raise ValueError("the checkpoint is not whole")
        return len(checkpoint["rows"])

    collect()


large_payload()
