"""Mapped tasks use the same keys; one of them clears its state, another one deletes a key."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import dag, task

CANARY = os.environ.get("CANARY", "")
LEFT = [("cleared", {}), ("deleted", {"b": 1}), ("kept", {"a": 2, "b": 2})]


@dag(schedule=None)
def mapped_apart():
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def use(fate, task_state_store=None, ti=None):
        if ti.try_number == 1:
            for key in ("a", "b"):
                task_state_store.set(key, {"canary": CANARY, "number": ti.map_index})
            if fate == "cleared":
                task_state_store.clear()
            elif fate == "deleted":
                task_state_store.delete("a")
            raise ConnectionError("try again")
        kept = {key: value["number"] for key in ("a", "b") if (value := task_state_store.get(key)) is not None}
        if kept != dict(LEFT)[fate]:
            raise ValueError(f"{fate}: {kept}")

    use.expand(fate=[fate for fate, _ in LEFT])


mapped_apart()
