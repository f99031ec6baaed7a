"""`lamella put`: store a value or a stream, and print its ref."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from lamella.cli.answers import answer
from lamella.cli.options import key_option, scope_options, stack_options
from lamella.cli.picture import draw_sizes
from lamella.cli.progress import counting
from lamella.cli.sizes import measure
from lamella.errors import InvalidValueError

if TYPE_CHECKING:
    from lamella.cli.options import Names, Setup
    from lamella.limits import Limits

__all__ = ["put"]


@click.command()
@click.argument("value", required=False)
@click.option("--file", "file", type=click.File("rb"), help="Read the JSON value from a file.")
@click.option("--stream", "stream", type=click.File("rb"), help="Store the bytes of a file as they come, or of -.")
@click.option("--sizes", is_flag=True, help="Read the value back and draw its size after each layer.")
@scope_options
@key_option
@stack_options
def put(  # noqa: PLR0913 - each is an option
    value: str | None,
    file: BinaryIO | None,
    stream: BinaryIO | None,
    key: str | None,
    *,
    sizes: bool,
    names: Names,
    setup: Setup,
) -> None:
    """Store VALUE, a JSON document, and print its ref.

    VALUE may be - for the standard input. The ref goes to the standard output, everything else to the standard error.
    """
    if sum(each is not None for each in (value, file, stream)) != 1:
        raise click.UsageError("give one value: VALUE, --file or --stream.")
    address = names.address(key)
    with setup.stack() as stack:
        if stream is not None:
            with counting("storing", _size_bytes(stream)) as counted:
                ref = stack.put_stream(address, counted(stream))
        else:
            ref = stack.put(address, _document(value, file, stack.engine.limits))
        if sizes:
            draw_sizes(measure(stack.engine, stack.engine.verify(ref)), to_stderr=True)
    answer({"ref": ref}, ref, as_json=setup.as_json)


def _document(value: str | None, file: BinaryIO | None, limits: Limits) -> Any:  # noqa: ANN401 - any JSON document
    if value is not None and value != "-":
        return _parse(value)
    source = sys.stdin.buffer if file is None else file
    text = source.read(limits.max_value_bytes + 1)
    limits.check_value(len(text))
    return _parse(text)


def _parse(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON document
    try:
        return json.loads(text.encode() if isinstance(text, str) else text)
    except json.JSONDecodeError as error:
        at = f"{error.msg}, line {error.lineno}, column {error.colno}"
    except (UnicodeError, RecursionError):
        at = "its text cannot be read"
    except ValueError:
        at = "an integer has more digits than this Python reads"
    # Raised out here, because the error of json holds the document and would stay as the context.
    raise InvalidValueError(
        f"the value cannot be read as JSON: {at}; quote a text as '\"text\"', or store bytes with --stream"
    )


def _size_bytes(stream: BinaryIO) -> int | None:
    """Return how much is left of a regular file; a pipe or a device does not tell."""
    if not stream.seekable():
        return None
    start = stream.tell()
    end = stream.seek(0, os.SEEK_END)
    stream.seek(start)
    return end - start or None
