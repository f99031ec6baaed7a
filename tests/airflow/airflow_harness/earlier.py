"""Airflow's own object-storage backend as the one that wrote before Lamella, or that the layers are put around."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["EARLIER", "Earlier"]

EARLIER = "airflow.providers.common.io.state_store.backend.StateStoreObjectStorageBackend"
_CACHED = ("_get_base_path", "_get_compression", "_get_threshold")


@dataclass(frozen=True)
class Earlier:
    """Where the backend keeps its objects, in the process of the tests.

    Attributes:
        folder: of the objects.
        backend: one of Airflow's own class.
    """

    folder: Path
    backend: Any

    @classmethod
    def make(cls, folder: Path, patch: pytest.MonkeyPatch, **options: object) -> Earlier:
        """Configure the backend of Airflow's provider, which reads its options once a process."""
        for name, value in {"path": f"file://{folder}", **options}.items():
            patch.setenv(f"AIRFLOW__COMMON_IO__STATE_STORE_OBJECTSTORAGE_{name.upper()}", str(value))
        module = import_module(EARLIER.rpartition(".")[0])
        for name in _CACHED:
            getattr(module, name).cache_clear()
        return cls(folder, module.StateStoreObjectStorageBackend())

    @property
    def base(self) -> str:
        """The URL that its refs begin with."""
        return f"file://{self.folder}"

    def objects(self) -> list[Path]:
        """Give every file that it keeps."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())
