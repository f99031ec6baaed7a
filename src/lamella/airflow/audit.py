"""The one place that makes warning records: one for each refusal, and for each use that an operator wants to know of.

A record holds the reason, ids and the names of scopes and keys; never a value, a key's secret or a ciphertext.

Source: docs/airflow.md, "Who asked?".
"""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["warn"]

_LOGGER: Final = logging.getLogger("lamella.airflow")


def warn(event: str, **facts: object) -> None:
    """Log what happened, and the facts that are not None as `name=value`, as one record."""
    named = [f"{name}={value!r}" for name, value in facts.items() if value is not None]
    _LOGGER.warning("%s", " ".join([f"{event};", *named]))
