"""State by the async ways, in a task and in a watcher on the triggerer."""

from __future__ import annotations

import os

from airflow.sdk import Asset, AssetWatcher, dag, task
from airflow_harness.feed_trigger import FeedTrigger, kept_by

FEED = Asset(name="feed", uri="s3://tests/feed", watchers=[AssetWatcher(name="feed", trigger=FeedTrigger())])
LOG = Asset(name="log", uri="s3://tests/log")


@dag(schedule=None)
def async_state():
    @task(inlets=[LOG], outlets=[LOG])
    async def keep(task_state_store=None, asset_state_store=None):
        await kept_by(task_state_store, os.environ["CANARY"])
        await kept_by(asset_state_store[LOG], os.environ["CANARY"])

    keep()


@dag(schedule=[FEED])
def feed_watcher():
    @task(inlets=[FEED])
    def read(asset_state_store=None):
        if asset_state_store[FEED].get("key 0") != ["key 0", os.environ["CANARY"]]:
            raise ValueError("what was read is not what the trigger set")

    read()


async_state()
feed_watcher()
