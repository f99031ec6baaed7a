"""A task whose callbacks read assets by their names, after they were written by their URIs."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from airflow.sdk import DAG, Asset, task
from airflow.sdk.definitions.asset import AssetNameRef, AssetUriRef

from lamella.airflow import get
from lamella.errors import RefMismatchError

CANARY = "CANARY-VALUE"
NAMED = Asset("read in a callback", uri="file://host/read-in-a-callback")
COPY = """
UPDATE asset_state_store AS copy
SET value = (SELECT value FROM asset_state_store WHERE key = 'key' AND asset_id = copy.asset_id)
WHERE key = 'copied' AND asset_id = (SELECT id FROM asset WHERE name = ?)
"""


def _note(context):
    """Read where no context is current, and leave a note of it."""
    state = context["asset_state_store"]
    read = [get(state[AssetNameRef(NAMED.name)], "key")]
    try:
        read.append(get(state[AssetNameRef(NAMED.name)], "copied"))
    except RefMismatchError as error:
        read.append(type(error).__name__)
    Path(os.environ["AIRFLOW_HOME"], "asset-notes").write_text(f"{read == [CANARY, 'RefMismatchError']}\n")


with DAG("callback_claims", schedule=None):

    @task(outlets=[NAMED])
    def asset_is_there():
        """Let Airflow know the asset."""

    @task(inlets=[AssetUriRef(NAMED.uri)])
    def asset_is_written_by_uri(asset_state_store):
        for key in ("key", "copied"):
            asset_state_store.set(key, CANARY)
        path = Path(os.environ["AIRFLOW_HOME"], "airflow.db")
        with closing(sqlite3.connect(path, timeout=30)) as database, database:
            database.execute(COPY, (NAMED.name,))

    @task(inlets=[AssetNameRef(NAMED.name)], on_success_callback=_note)
    def asset_is_read_by_name_in_a_callback(asset_state_store):
        assert asset_state_store.get("key") == CANARY

    asset_is_there() >> asset_is_written_by_uri() >> asset_is_read_by_name_in_a_callback()
