"""`lamella clear`: remove every value of a scope from every configured store."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from lamella.cli.options import scope_options, stack_options
from lamella.scope import NO_MAP_INDEX

if TYPE_CHECKING:
    from lamella.cli.options import Names, Setup
    from lamella.scope import Scope

__all__ = ["clear"]


@click.command()
@click.option("--all-map-indices", is_flag=True, help="Remove the values of all map indices of the task.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@scope_options
@stack_options
def clear(*, all_map_indices: bool, yes: bool, names: Names, setup: Setup) -> None:
    """Remove every value of a scope."""
    scope = names.scope()
    if not yes:
        _ask(scope, all_map_indices=all_map_indices)
    with setup.stack() as stack:
        stack.clear(scope, all_map_indices=all_map_indices)
    if setup.as_json:
        click.echo(json.dumps({"cleared": True}))


def _ask(scope: Scope, *, all_map_indices: bool) -> None:
    """Ask whether that is meant; what is told next begins a line of its own."""
    which = " of all map indices" if all_map_indices else ""
    if not all_map_indices and scope.map_index != NO_MAP_INDEX:
        which = f" of map index {scope.map_index}"
    owner = ", ".join(f"{name} {text!r}" for name, text in scope.fields())
    try:
        is_meant = click.confirm(f"Remove every value{which} of the {scope.kind} with {owner}?", err=True)
    except click.Abort:
        click.echo(err=True)
        raise
    if not sys.stdin.isatty():
        click.echo(err=True)
    if not is_meant:
        raise click.ClickException("not confirmed, so nothing was removed; --yes does not ask")
