"""`lamella delete`: remove one value from every configured store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from lamella.cli.options import key_option, scope_options, stack_options

if TYPE_CHECKING:
    from lamella.cli.options import Names, Setup

__all__ = ["delete"]


@click.command()
@scope_options
@key_option
@stack_options
def delete(key: str | None, *, names: Names, setup: Setup) -> None:
    """Remove the value at an address; nothing there is no error."""
    address = names.address(key)
    with setup.stack() as stack:
        stack.delete(address)
    if setup.as_json:
        click.echo(json.dumps({"deleted": True}))
