"""Classes that stand in no package of Airflow's, as somebody's own backends do."""

from __future__ import annotations

from airflow.providers.common.io.state_store.backend import StateStoreObjectStorageBackend

__all__ = ["NoBackend", "OwnBackend"]


class OwnBackend(StateStoreObjectStorageBackend):
    """A backend whose layout nobody knows."""


class NoBackend:
    """A class without the methods of a backend."""
