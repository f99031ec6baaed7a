"""Run the benchmarks: `python bench/run.py`, or with `--quick` to see that all of it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from cases import GROUPS
from effort import FULL, QUICK, Effort
from machine import facts, load, work_folder
from report import as_text, verdict, write_json_lines, write_page

if TYPE_CHECKING:
    from rows import Row

__all__ = ["main"]

_PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_GROUP_NAMES = ",".join(GROUPS)


@click.command()
@click.option("--quick", is_flag=True, help="Take few rounds and less data: about a minute.")
@click.option("--only", default=_GROUP_NAMES, show_default=True, metavar="GROUPS", help="Which groups, by commas.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the results as lines of JSON.")
@click.option(
    "--page/--no-page",
    default=None,
    help="Put the results into docs/performance.md and draw its picture; what a full run of all groups does.",
)
def main(only: str, output: Path | None, *, quick: bool, page: bool | None) -> None:
    """Measure Lamella against the straight line and print the results.

    The exit code says that it ran, never how fast: performance depends on the machine and is no test.
    """
    names = only.split(",")
    if unknown := sorted(set(names) - set(GROUPS)):
        raise click.BadParameter(f"{', '.join(unknown)}: the groups are {_GROUP_NAMES}", param_hint="--only")
    known = {**facts(), "run": "quick" if quick else "full"}
    print("\n".join(f"{name}: {fact}" for name, fact in known.items()))
    load_before, start = load(), time.monotonic()
    rows = [row for name in names for row in _run(name, QUICK if quick else FULL)]
    known["load"] = f"{load_before} before, {load()} after (processes that wanted to run)"
    print(f"load: {known['load']}\n{time.monotonic() - start:.0f} s\n{verdict(rows)}")
    if output is not None:
        write_json_lines(output, rows, known)
    if page or (page is None and not quick and only == _GROUP_NAMES):
        from chart import draw  # noqa: PLC0415 - only the page's picture needs matplotlib

        write_page(_PAGE, rows, known)
        draw(_PAGE.with_suffix(".svg"), rows)


def _run(name: str, effort: Effort) -> list[Row]:
    """Run one group in an empty folder, and print it at once."""
    with work_folder() as folder:
        rows = GROUPS[name](effort, Path(folder))
    print(f"\n{as_text(rows)}\n", flush=True)
    return rows


if __name__ == "__main__":
    main()
