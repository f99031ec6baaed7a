"""A value that is no JSON is refused, in the state of a task and in that of an asset."""

from __future__ import annotations

from airflow.sdk import Asset, dag, task

REFUSED = Asset(name="refused", uri="s3://tests/refused")


@dag(schedule=None)
def nan_refused():
    @task
    def in_task(task_state_store=None):
        task_state_store.set("mean", {"of": [1.5, float("nan")]})

    @task(inlets=[REFUSED], outlets=[REFUSED])
    def in_asset(asset_state_store=None):
        asset_state_store[REFUSED].set("mean", float("inf"))

    in_task()
    in_asset()


nan_refused()
