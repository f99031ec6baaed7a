"""The groups of cases, by the names that `--only` takes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import data
from growth import by_bytes, by_layers, by_objects
from hooks import hooks
from startup import start_up
from streams import streams
from values import against_peers, durable, end_to_end, transform, two_callers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from effort import Effort
    from rows import Row

__all__ = ["GROUPS"]

GROUPS: dict[str, Callable[[Effort, Path], list[Row]]] = {
    "transform": transform,
    "S": partial(end_to_end, "S", data.small),
    "M": partial(end_to_end, "M", data.medium),
    "L": partial(end_to_end, "L", data.large),
    "peers": against_peers,
    "durable": durable,
    "callers": two_callers,
    "stream": streams,
    "start": start_up,
    "airflow": hooks,
    "bytes": by_bytes,
    "objects": by_objects,
    "layers": by_layers,
}
"""Each takes the sizes of the run and an empty folder."""
