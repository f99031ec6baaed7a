"""A number of hours or days on a command line, in seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["seconds_in"]


def seconds_in(unit_seconds: int) -> Callable[[click.Context, click.Parameter, float], float]:
    """Return what turns a number of units into seconds; a range of click takes what is not a number."""

    def seconds(context: click.Context, option: click.Parameter, units: float) -> float:
        del context, option
        found = units * unit_seconds
        if not math.isfinite(found):
            raise click.BadParameter("must be a finite number.")
        return found

    return seconds
