"""What the tests of the server's side need of Airflow, which reads its settings when it is imported."""

from __future__ import annotations

from dataclasses import fields

import airflow.state
from airflow import settings
from airflow._shared.state import AssetStateStoreWriterKind
from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.models.dagrun import DagRun
from airflow.state import AssetScope, TaskScope, get_state_backend
from airflow.state.metastore import MetastoreBackend
from airflow.utils.session import create_session, create_session_async

from lamella.airflow import metastore

__all__ = [
    "HAS_REGIONS",
    "AssetModel",
    "AssetScope",
    "AssetStateStoreModel",
    "AssetStateStoreWriterKind",
    "DagRun",
    "MetastoreBackend",
    "TaskScope",
    "create_session",
    "create_session_async",
    "get_state_backend",
    "metastore",
    "settings",
    "state",
]

HAS_REGIONS = "region_id" in {each.name for each in fields(TaskScope)}
state = airflow.state
