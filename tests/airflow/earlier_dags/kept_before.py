"""State that one backend wrote on the first try is the same for another one on the next try, and in the next run."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta

from airflow.sdk import Asset, dag, task
from airflow.sdk.execution_time import context

CANARY = os.environ.get("CANARY", "")
VALUES = {"text": CANARY, "a.b": [None, {"c": CANARY}], "large": CANARY * 500, "zero": 0}
LEDGER = Asset(name="ledger", uri="s3://tests/ledger")
JOURNAL = Asset(name="journal", uri="s3://tests/journal")
JOURNAL_BY_URI = Asset.ref(uri=JOURNAL.uri)


def write(state):
    for key, value in VALUES.items():
        state.set(key, value)


def compare(state):
    if {key: state.get(key) for key in VALUES} != VALUES:
        raise ValueError("a value has changed")


def change_backend():
    """Do what BETWEEN says, and go on as a worker with those settings would."""
    between = json.loads(os.environ["BETWEEN"])
    os.environ.update(between["environ"])
    for name in between["without"]:
        os.environ.pop(name, None)
    for command in between["commands"]:
        subprocess.run(command, check=True)
    context._get_worker_state_store_backend.cache_clear()


@dag(schedule=None)
def kept_before():
    @task(inlets=[LEDGER, JOURNAL_BY_URI], outlets=[JOURNAL])
    def write_assets(asset_state_store=None):
        write(asset_state_store[LEDGER])
        write(asset_state_store[JOURNAL_BY_URI])

    @task
    def keep_mapped(number, task_state_store=None):
        task_state_store.set("number", [number, CANARY])

    @task(retries=1, retry_delay=timedelta(seconds=0))
    def keep(task_state_store=None, ti=None):
        if ti.try_number == 1:
            write(task_state_store)
            change_backend()
            raise ConnectionError("try again")
        compare(task_state_store)
        for key in VALUES:
            task_state_store.delete(key)
            if task_state_store.get(key, default="gone") != "gone":
                raise ValueError("a key is there after it was deleted")

    write_assets() >> keep_mapped.expand(number=[1, 2]) >> keep()


@dag(schedule=None)
def kept_after():
    @task(inlets=[LEDGER, JOURNAL_BY_URI])
    def read_assets(asset_state_store=None):
        compare(asset_state_store[LEDGER])
        compare(asset_state_store[JOURNAL_BY_URI])

    read_assets()


kept_before()
kept_after()
