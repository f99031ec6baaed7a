"""Start a DAG for each file that arrives: the watcher runs on the triggerer and keeps what it saw in the asset's state.

The trigger stands in `plugins/inbox_trigger.py`, because the triggerer imports it without the DAG. `INBOX` names the
folder. Workers, triggerer and DAG processor need the same settings and the same keyring.
"""

from __future__ import annotations

import os

from airflow.sdk import Asset, AssetWatcher, dag, task
from inbox_trigger import InboxTrigger

INBOX = Asset(
    name="inbox",
    uri="file://inbox",
    watchers=[AssetWatcher(name="inbox_files", trigger=InboxTrigger(folder=os.environ.get("INBOX", "inbox")))],
)


@dag(schedule=[INBOX], doc_md=__doc__)
def inbox_watcher():
    @task(inlets=[INBOX])
    def process(asset_state_store=None) -> int:
        seen = asset_state_store[INBOX].get("seen", default=[])
        print(f"The watcher has seen {len(seen)} files")
        return len(seen)

    process()


inbox_watcher()
