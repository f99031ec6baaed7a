"""Airflow's server side in the process of the tests: its settings, its database and its state backend."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from airflow_harness.home import AirflowHome
    from lamella.airflow import LamellaMetastoreBackend

__all__ = ["SERVER_SIDE", "Server", "serving"]

SERVER_SIDE = {"state_store.backend": "lamella.airflow.LamellaMetastoreBackend", "workers.state_store_backend": None}
"""The settings of a home whose server seals, and whose workers do not."""
_TEXTS = (
    "SELECT value FROM task_state_store WHERE key = :key UNION ALL SELECT value FROM asset_state_store WHERE key = :key"
)


@dataclass(frozen=True, kw_only=True)
class Server:
    """This process as a server of a home.

    Attributes:
        home: whose settings and database it has.
        host: the module `airflow_harness.host`, with what is needed of Airflow.
    """

    home: AirflowHome
    host: ModuleType

    @property
    def backend(self) -> LamellaMetastoreBackend:
        """The state backend that Airflow makes once a process."""
        return self.host.get_state_backend()

    def stored(self, key: str) -> str:
        """Give the text of the one row, of a task or an asset, that has this key."""
        with closing(sqlite3.connect(self.home.database)) as database:
            ((text,),) = database.execute(_TEXTS, {"key": key}).fetchall()
        return text

    def plant(self, scope: object, key: str, text: str) -> None:
        """Write a row past the configured backend, with what the REST API and the UI write with."""
        self.host.MetastoreBackend().set(scope, key, text)


@contextmanager
def serving(home: AirflowHome) -> Iterator[Server]:
    """Let this process be a server of a home, which has made no state backend yet."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name not in home.variables]:
            patch.delenv(name)
        for name, value in home.variables.items():
            if name.startswith("AIRFLOW"):
                patch.setenv(name, value)
        host = import_module("airflow_harness.host")
        patch.setattr(host.state, "_backend_instance", None)
        host.settings.configure_vars()
        host.settings.configure_orm()
        try:
            yield Server(home=home, host=host)
        finally:
            if host.settings.async_engine is not None:  # Airflow leaves its connections to the garbage collector.
                asyncio.run(host.settings.async_engine.dispose())
            host.settings.dispose_orm()
