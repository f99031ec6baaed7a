"""`lamella gc`: remove parts that no value names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamella.cli.answers import answer
from lamella.cli.durations import seconds_in
from lamella.cli.options import stack_options

if TYPE_CHECKING:
    from lamella.cli.options import Setup

__all__ = ["gc"]


@click.command()
@click.option(
    "--older-than-hours",
    "older_than_seconds",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    callback=seconds_in(3600),
    help="Spare parts to which somebody wrote in these hours; more than the longest write takes.",
)
@click.option("--dry-run", is_flag=True, help="Count only.")
@stack_options
def gc(*, older_than_seconds: float, dry_run: bool, setup: Setup) -> None:
    """Remove parts that no value names and nobody wrote to for a while."""
    with setup.stack() as stack:
        count = stack.gc(older_than_seconds=older_than_seconds, dry_run=dry_run)
    found = "found" if dry_run else "removed"
    answer({found: count}, f"{found} {count} generations of parts without a value", as_json=setup.as_json)
