"""A DAG that leaves rows and objects of every kind for `lamella airflow reconcile`."""

from __future__ import annotations

from airflow.sdk import Asset, dag, get_current_context, task

KEYS = ("copied", "elsewhere", "forged", "kept", "plain", "rowless", "swept")
READINGS = Asset("readings", uri="file:///readings")


@dag(schedule=None)
def reconciled():
    @task
    def keep():
        state = get_current_context()["task_state_store"]
        for key in KEYS:
            state.set(key, {"canary": f"value of {key}"})

    @task
    def part(number):
        get_current_context()["task_state_store"].set("cursor", number)

    @task(inlets=[READINGS])
    def watch():
        state = get_current_context()["asset_state_store"]
        state.set("watermark", "2026-11-22")
        state.set("rowless", "2026-11-21")

    keep() >> part.expand(number=[1, 2]) >> watch()


reconciled()
