"""`lamella get`: print a value, or write a stream to a file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from lamella.cli.answers import answer
from lamella.cli.options import key_option, scope_options, stack_options

if TYPE_CHECKING:
    from lamella.cli.options import Names, Setup
    from lamella.scope import Address
    from lamella.stack import Stack

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
    source = address if ref is None else ref
    if source is None or (output is not None and ref is None):
        raise click.UsageError("give the ref, or an address; a stream is read by its ref alone.")
    with setup.stack() as stack:
        if ref is not None and output is not None:
            _write(stack, ref, output, address, as_json=setup.as_json)
        else:
            value = stack.get(source, expect=address) if isinstance(source, str) else stack.get_at(source)
            click.echo(json.dumps(value))


def _write(stack: Stack, ref: str, output: Path, address: Address | None, *, as_json: bool) -> None:
    """Write a stream; what is said about it never mixes with its bytes."""
    if _is_stdout(output):
        stack.get_into(ref, sys.stdout.buffer, expect=address)
        return
    count = stack.get_into(ref, output, expect=address)
    answer({"output": str(output), "size_bytes": count}, f"{count} bytes are in {output}", as_json=as_json)


def _is_stdout(output: Path) -> bool:
    """Tell whether a path means the standard output, be it by a name such as /dev/stdout."""
    try:
        return output == _STDOUT or os.path.samestat(output.stat(), os.fstat(sys.stdout.fileno()))
    except OSError:
        return False
