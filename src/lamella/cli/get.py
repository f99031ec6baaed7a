"""`lamella get`: print a value, or write a stream to a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from lamella.cli.options import key_option, scope_options, stack_options

if TYPE_CHECKING:
    from lamella.cli.options import Names, Setup

__all__ = ["get"]

_STDOUT: Final = Path("-")


@click.command()
@click.argument("ref", required=False)
@click.option(
    "--output",
    type=click.Path(path_type=Path, allow_dash=True, dir_okay=False),
    help="Write what was stored with put --stream to a file, or to -.",
)
@scope_options
@key_option
@stack_options
def get(ref: str | None, output: Path | None, key: str | None, *, names: Names, setup: Setup) -> None:
    """Print the JSON value behind REF, or at the address that the options name.

    With both, the ref must belong to that address.
    """
    address = names.address(key) if names.are_given or key is not None else None
    if ref is None and (address is None or output is not None):
        raise click.UsageError(
            "give the ref" + (": a stream is read by its ref alone." if output else ", or an address.")
        )
    with setup.stack() as stack:
        if ref is None:
            value = stack.get_at(address)
        elif output is None:
            value = stack.get(ref, expect=address)
        else:
            to_stdout = str(output) == "-"
            count = stack.get_into(ref, sys.stdout.buffer if to_stdout else output, expect=address)
            if setup.as_json and not to_stdout:
                click.echo(json.dumps({"output": str(output), "size_bytes": count}))
            return
    click.echo(json.dumps(value))
