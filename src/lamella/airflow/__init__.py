"""The Airflow provider: task and asset state of Airflow 3.3 and later through the layers.

Every name is loaded when it is first used: a task process pays for the worker's side alone, and an API server for its
own. The page is docs/airflow.md.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from lamella.lazy import lazy_names

if TYPE_CHECKING:
    from lamella.airflow.accessors import aget, aset, get
    from lamella.airflow.backend import LamellaStateBackend
    from lamella.airflow.metastore import LamellaMetastoreBackend
    from lamella.errors import UnsealedValueError

__all__ = ["LamellaMetastoreBackend", "LamellaStateBackend", "UnsealedValueError", "aget", "aset", "get"]


def _refuse_without_airflow() -> None:
    try:
        found = find_spec("airflow.sdk.state")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "airflow":
            raise ImportError(
                f"Apache Airflow does not load here, since {error.name!r} is missing; install it: the driver that "
                "[database] sql_alchemy_conn names, for one, is a package of its own"
            ) from error
        found = None
    if found is None:
        raise ImportError(
            "lamella.airflow needs Apache Airflow 3.3 or later, which is not installed here; "
            "pip install 'lamella[airflow]', or use lamella.state, which needs no host"
        )


_refuse_without_airflow()

__getattr__ = lazy_names(
    __name__,
    {
        "LamellaMetastoreBackend": "lamella.airflow.metastore",
        "LamellaStateBackend": "lamella.airflow.backend",
        "UnsealedValueError": "lamella.errors",
        "aget": "lamella.airflow.accessors",
        "aset": "lamella.airflow.accessors",
        "get": "lamella.airflow.accessors",
    },
)


def __dir__() -> list[str]:
    return __all__
