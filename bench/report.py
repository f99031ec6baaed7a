"""The results as text for the terminal, as lines of JSON, and as tables between two markers of a page."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING

from rows import FERNET, STRAIGHT, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from measure import Spread

__all__ = ["as_text", "verdict", "write_json_lines", "write_page"]

_BEGIN, _END = "<!-- results: begin -->", "<!-- results: end -->"
_VOID_BELOW = 1.5
_COLUMNS = ("what", "who", "median [p10..p90]", "time relative to", "goal", "result")
_HUNDRED, _TEN = 100, 10


def as_text(rows: Sequence[Row]) -> str:
    """Return the tables for a terminal."""
    blocks = []
    for group, members in _groups(rows):
        cells = [_COLUMNS, *map(_cells, members)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
        blocks.append("\n".join((group, *(f"  {line}" for line in lines))))
    return "\n\n".join(blocks)


def verdict(rows: Sequence[Row]) -> str:
    """Say how many goals are met, and whether the straight line was fit to be compared with.

    A straight line that is not 1.5 times as fast as Fernet over zlib is no good engineer's, or the machine was too
    busy to measure on: either way what is relative to it means nothing.
    """
    judged = [row.met for row in rows if row.met is not None]
    sentence = f"{judged.count(True)} of {len(judged)} rows with a goal meet it."
    for row in rows:
        if (row.what, row.who) == ("S put", FERNET):
            lead = row.ratios[STRAIGHT].median
            if lead < _VOID_BELOW:
                return (
                    f"The straight line of this run is no fair reference: it is {lead:.2f}x as fast as {FERNET} on "
                    f"S put, not {_VOID_BELOW}x. So what is relative to it is void: its ratios, the goals that stand "
                    "on them, and the picture. Times, memory, and what is relative to another row can be read."
                )
            return f"{sentence} The run is valid: the straight line is {lead:.2f}x as fast as {FERNET} on S put."
    return f"{sentence} Whether the run is valid is not known: group S did not run."


def write_json_lines(path: Path, rows: Sequence[Row], facts: Mapping[str, str]) -> None:
    """Write the facts, then a row a line."""
    records = [{"facts": dict(facts)}, *(row.record() for row in rows)]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))


def write_page(page: Path, rows: Sequence[Row], facts: Mapping[str, str]) -> None:
    """Replace what stands between the markers of a page."""
    text = page.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise SystemExit(f"{page.name} lacks the lines {_BEGIN} and {_END}; put them where the results belong")
    parts = [
        verdict(rows),
        f"![The time of each row relative to the straight line]({page.with_suffix('.svg').name})",
        "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        *(f"### {group}\n\n{_table(members)}" for group, members in _groups(rows)),
    ]
    page.write_text(before + "\n\n".join((begin, *parts, end)) + after)


def _groups(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Gather the groups in the order of their first rows, and in each what does the same."""
    groups: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        groups.setdefault(row.group, {}).setdefault(row.what, []).append(row)
    return [(group, list(chain.from_iterable(alike.values()))) for group, alike in groups.items()]


def _table(rows: Sequence[Row]) -> str:
    lines = [_COLUMNS, tuple("---" for _ in _COLUMNS), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.what,
        row.who,
        f"{_spread(row.value)} {row.unit}",
        ", ".join(f"{name} {_spread(each)}" for name, each in row.ratios.items()),
        row.goal_text,
        {True: "met", False: "NOT met", None: ""}[row.met],
    )


def _spread(spread: Spread) -> str:
    return f"{_figure(spread.median)} [{_figure(spread.p10)}..{_figure(spread.p90)}]"


def _figure(number: float) -> str:
    """Write three digits or so."""
    size = abs(number)
    return f"{number:,.0f}" if size >= _HUNDRED else f"{number:.1f}" if size >= _TEN else f"{number:.2f}"
