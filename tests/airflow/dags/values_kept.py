"""Every sort of JSON value is the same after a retry, in the state of a task and in that of an asset.

Airflow 3.3.0 does not find a task key with a slash, so none is here.
"""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import Asset, dag, task

VALUES = {
    "text": os.environ.get("CANARY", ""),
    "empty": "",
    os.environ.get("KEY", "zero"): 0,
    "no": False,
    "float": -0.1,
    "large": 2**70,
    "list": [[], {}, None, True, "\u00e9\U0001f600"],
    "nested": {"a": {"b": [{"c": os.environ.get("CANARY", "")}]}, "": 1},
    "k" * 512: "a key of the most characters that Airflow allows",
}
KEPT = Asset(name="kept", uri="s3://tests/kept")


def compare(state):
    for key, value in VALUES.items():
        kept = state.get(key)
        if kept != value or type(kept) is not type(value):
            raise ValueError(f"the value of {key} has changed")
    if state.get("never set", default="default") != "default":
        raise ValueError("a key that was never set has a value")


@dag(schedule=None)
def values_kept():
    @task(retries=1, retry_delay=timedelta(seconds=1), inlets=[KEPT], outlets=[KEPT])
    def keep(task_state_store=None, asset_state_store=None, ti=None):
        for state in (task_state_store, asset_state_store[KEPT]):
            if ti.try_number == 1:
                for key, value in VALUES.items():
                    state.set(key, "replaced below")
                    state.set(key, value)
            compare(state)
        if ti.try_number == 1:
            raise ConnectionError("try again")

    keep()


@dag(schedule=None)
def values_read():
    @task(inlets=[KEPT])
    def read(asset_state_store=None):
        compare(asset_state_store[KEPT])

    read()


values_kept()
values_read()
