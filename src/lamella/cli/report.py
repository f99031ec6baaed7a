"""How a comparison of rows and objects is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from lamella.state.reconcile.report import FINDINGS, ORPHANED

if TYPE_CHECKING:
    from lamella.state.reconcile.report import Report

__all__ = ["show_report"]


def show_report(report: Report, *, as_json: bool) -> None:
    """Print a report as one JSON document, or as a table and the examples below it."""
    if as_json:
        click.echo(json.dumps(report.as_document()))
        return
    table = Table("found", "count", "")
    for name, finding in FINDINGS.items():
        count = report.counts[name]
        if count or finding.is_wrong:
            table.add_row(finding.says, str(count), "look at it" if count and finding.is_wrong else "")
    click.echo(f"compared {report.rows} rows with {report.objects} objects")
    Console().print(table)
    for name, examples in report.examples.items():
        if examples:
            click.echo(f"{FINDINGS[name].says}, {len(examples)} of {report.counts[name]}:")
        for each in examples:
            click.echo(f"  {_line(each)}")
    if report.deleted or report.kept:
        click.echo(f"removed {report.deleted} objects, {report.kept} were in use again; `lamella gc` takes their parts")
    elif report.counts[ORPHANED]:
        click.echo("nothing was removed; `lamella airflow reconcile --delete` removes the orphaned objects")
    for note in report.notes:
        click.echo(note)


def _line(facts: dict[str, Any]) -> str:
    # A name may hold what a terminal obeys; JSON shows it and does nothing.
    return " ".join(f"{name}={json.dumps(fact)}" for name, fact in facts.items())
