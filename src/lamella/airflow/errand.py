"""A call of Airflow's own accessor that only carries something to or from Airflow.

The hooks do the layers' work where Airflow calls them: in Airflow 3.3 on the event loop, and without saying for which
key. While an errand is set they do none: a write hook gives the ref that was made before, a read hook keeps what it was
given for afterwards.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Errand", "carried_ref", "carry", "sent"]


@dataclass(slots=True)
class Errand:
    """What is carried.

    Attributes:
        ref: What a write hook gives; empty where the errand is a read.
        called: Whether a read hook was called.
        stored: What a read hook was given.
    """

    ref: str = ""
    called: bool = False
    stored: Any = None


_CURRENT: Final[ContextVar[Errand | None]] = ContextVar("lamella_airflow_errand", default=None)


@contextmanager
def sent(errand: Errand) -> Iterator[None]:
    """Set an errand for the accessor's call inside; other threads and coroutines do not see it."""
    token = _CURRENT.set(errand)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def carried_ref() -> str:
    """Return the ref that a write hook shall give, empty where it shall do the work."""
    errand = _CURRENT.get()
    return "" if errand is None else errand.ref


def carry(stored: object) -> bool:
    """Keep what a read hook was given, and tell whether it is done with that."""
    errand = _CURRENT.get()
    if errand is None:
        return False
    errand.called, errand.stored = True, stored
    return True
