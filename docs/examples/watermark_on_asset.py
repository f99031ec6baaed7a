"""Keep a watermark on an asset: it outlives the run, and whoever reads the asset sees it.

Each run of `watermark_producer` loads what is newer than the watermark, then moves it. `watermark_consumer` follows the
asset.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timezone

from airflow.sdk import Asset, dag, task

ORDERS = Asset(name="orders", uri="s3://warehouse/orders")


@dag(schedule=None, doc_md=__doc__)
def watermark_producer():
    @task(inlets=[ORDERS], outlets=[ORDERS])
    def load(asset_state_store=None) -> int:
        state = asset_state_store[ORDERS]
        watermark = state.get("watermark", default={"loads": 0, "newest_order": "", "at": ""})
        print(f"Load what is newer than load {watermark['loads']}")
        loads = watermark["loads"] + 1
        now = datetime.now(tz=timezone.utc).isoformat()
        state.set("watermark", {"loads": loads, "newest_order": secrets.token_urlsafe(32), "at": now})
        return loads

    load()


@dag(schedule=[ORDERS], doc_md=__doc__)
def watermark_consumer():
    @task(inlets=[ORDERS])
    def report(asset_state_store=None) -> int:
        watermark = asset_state_store[ORDERS].get("watermark")
        print(f"Load {watermark['loads']} was done at {watermark['at']}")
        return watermark["loads"]

    report()


watermark_producer()
watermark_consumer()
