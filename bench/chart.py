"""The ratios to the straight line as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from rows import STRAIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rows import Row

__all__ = ["draw"]

_COLOURS = {True: "#2a7f62", False: "#b3402a", None: "#8a8f98"}


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Draw a bar for each row that has a ratio to the straight line, with p10 and p90 as whiskers.

    The same results give the same file, so that a page's history shows what changed.
    """
    shown = [row for row in rows if STRAIGHT in row.ratios][::-1]
    spreads = [row.ratios[STRAIGHT] for row in shown]
    with mpl.rc_context({"svg.hashsalt": "lamella", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(8, 1 + 0.19 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(
            [f"{row.what}, {row.who}  ({row.group})" for row in shown],
            [each.median for each in spreads],
            color=[_COLOURS[row.met] for row in shown],
            xerr=[[each.median - each.p10 for each in spreads], [each.p90 - each.median for each in spreads]],
            error_kw={"elinewidth": 0.7},
        )
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set_xscale("log")
        ticks = (0.25, 0.5, 1, 2, 4, 8)
        axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
        axes.minorticks_off()
        axes.margins(y=0.01)
        figure.suptitle("Time relative to the straight line (green: meets its goal, red: does not, grey: no goal)")
        figure.savefig(path, metadata={"Date": None})
