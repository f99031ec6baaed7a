"""`lamella airflow`: what the operator of an Airflow deployment does beside Airflow's own commands.

The settings are those of Airflow's section `[lamella]`, so no option of the other verbs but `--json` is taken.

Source: docs/airflow.md.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, redirect_stdout
from importlib import import_module
from typing import Any

import click

from lamella.cli.answers import json_option
from lamella.cli.durations import seconds_in
from lamella.cli.progress import tallying
from lamella.cli.report import show_report
from lamella.errors import ConfigError

__all__ = ["airflow"]


@click.group()
def airflow() -> None:
    """Look after the state of an Airflow deployment, with its own settings and its own database."""


@airflow.command()
@click.option("--apply", is_flag=True, help="Move them; without it, say what would be moved.")
@click.option("--plaintext-rows", is_flag=True, help="Seal the values too that stand in the rows themselves.")
@click.option(
    "--delete-old", is_flag=True, help="Remove what the earlier backend keeps of rows that earlier runs moved."
)
@click.option(
    "--dags-paused", is_flag=True, help="Say that no task runs: needed with a store that knows no conditions."
)
@json_option
def migrate(*, as_json: bool, **given: bool) -> None:
    """Move what `fallback_backend` wrote into today's layers and store, row by row.

    Ends with exit code 9 where a row is left that should have been moved. What the earlier backend keeps stays, unless
    you say otherwise; run it again at any time, until nothing is left to move.
    """
    with redirect_stdout(sys.stderr), ExitStack() as opened:  # Airflow logs to the standard output.
        part, rows = _part("migrate"), _part("rows")

        def watch(what: str, found: Any) -> Any:  # noqa: ANN401 - rows
            return opened.enter_context(tallying(rows.count_rows()))(what, found)

        report = part.migrate(watch=watch, **given)
    if as_json:
        click.echo(json.dumps(report.as_document()))
    else:
        click.echo("\n".join(report.as_lines()))
    if report.left:
        click.get_current_context().exit(9)


@airflow.command()
@click.option("--delete", is_flag=True, help="Remove the orphaned objects; without it, nothing is changed.")
@click.option(
    "--grace-days",
    "grace_seconds",
    type=click.FloatRange(min=0),
    default=7.0,
    show_default=True,
    metavar="DAYS",
    callback=seconds_in(86_400),
    help="An object that was put in these days is not orphaned: its row may be on its way.",
)
@click.option(
    "--list",
    "max_examples",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="Name up to N of each finding.",
)
@click.option("--yes", "even_without_refs", is_flag=True, help="Delete even if not one row refers to an object.")
@json_option
def reconcile(*, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - options of several types
    """Compare the metadata database with the objects of the worker's store.

    Ends with exit code 9 where something is left that somebody has to look at. Rows are Airflow's and are never
    changed; of objects, only those go that no row refers to.
    """
    with redirect_stdout(sys.stderr), tallying() as watch:  # Airflow logs to the standard output.
        report = _part("reconcile").run(watch=watch, **given)
    show_report(report, as_json=as_json)
    if not report.is_clean:
        click.get_current_context().exit(9)


def _part(name: str) -> Any:  # noqa: ANN401 - a module
    """Import a module of the provider when its verb is called, so that help does not wait for Airflow.

    Raises:
        ConfigError: Airflow is not installed, or does not load with its settings.
    """
    try:
        import_module("lamella.airflow")
    except ImportError as error:
        raise ConfigError(str(error)) from error
    except Exception as error:  # Airflow reads its settings as it is imported, and raises what it likes.
        raise ConfigError(
            f"Apache Airflow does not load here, its settings end in {type(error).__name__}; look at [database] "
            "sql_alchemy_conn, and at what `airflow db check` says"
        ) from error
    return import_module(f"lamella.airflow.{name}")
