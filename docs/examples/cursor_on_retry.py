"""Go on where the last try stopped: a task keeps the cursor of a paged source in its state store.

The connection breaks during the first try. The retry asks for the page after the last one that was stored. The cursor
is a token that lets its holder read the source, so it should not stand in the metadata database.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from airflow.sdk import dag, task

PAGES = 5


def fetch(cursor: dict) -> dict:
    """Stand for the source: return the cursor of the next page."""
    return {"page": cursor["page"] + 1, "token": secrets.token_urlsafe(32)}


@dag(schedule=None, doc_md=__doc__)
def cursor_on_retry():
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def ingest(task_state_store=None, ti=None) -> int:
        cursor = task_state_store.get("cursor", default={"page": 0, "token": ""})
        print(f"Try {ti.try_number} begins after page {cursor['page']}")
        while cursor["page"] < PAGES:
            cursor = fetch(cursor)
            task_state_store.set("cursor", cursor)
            if ti.try_number == 1 and cursor["page"] == 3:
                raise ConnectionError("the source closed the connection")
        return cursor["page"]

    ingest()


cursor_on_retry()
