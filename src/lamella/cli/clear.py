"""`lamella clear`: remove every value of a scope from every configured store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from lamella.cli.options import scope_options, stack_options

if TYPE_CHECKING:
    from lamella.cli.options import Names, Setup

__all__ = ["clear"]


@click.command()
@click.option("--all-map-indices", is_flag=True, help="Remove the values of all map indices of the task.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@scope_options
@stack_options
def clear(*, all_map_indices: bool, yes: bool, names: Names, setup: Setup) -> None:
    """Remove every value of a scope."""
    scope = names.scope()
    which = " of all map indices" if all_map_indices else ""
    if not yes:
        owner = ", ".join(f"{name} {text!r}" for name, text in scope.fields())
        click.confirm(f"Remove every value{which} of the {scope.kind} with {owner}?", abort=True, err=True)
    with setup.stack() as stack:
        stack.clear(scope, all_map_indices=all_map_indices)
    if setup.as_json:
        click.echo(json.dumps({"cleared": True}))
