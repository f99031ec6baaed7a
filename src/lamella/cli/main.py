"""The group of all verbs, and how an error becomes one line and an exit code.

Source: docs/cli.md, "Exit codes".
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lamella.cli.answers import json_option
from lamella.cli.options import chain_option, config_option
from lamella.errors import (
    AddressError,
    ConfigError,
    IntegrityError,
    InvalidValueError,
    KeyringError,
    LamellaError,
    LimitExceededError,
    ObjectNotFoundError,
    RefError,
    StoreError,
)

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["exit_code", "lamella", "main"]

_EXIT_CODES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (click.UsageError, 2),
    (ConfigError, 2),
    (RefError, 3),
    (AddressError, 3),
    (InvalidValueError, 3),
    (ObjectNotFoundError, 4),
    (IntegrityError, 5),
    (KeyringError, 6),
    (LimitExceededError, 7),
    (StoreError, 8),
)
_EX_TEMPFAIL: Final = 75

_VERBS: Final = {
    "keygen": "Make the first keyring of a deployment.",
    "key": "List, rotate and back up keys.",
    "put": "Store a value and print its ref.",
    "get": "Print the value behind a ref or at an address.",
    "delete": "Remove one value.",
    "clear": "Remove every value of a scope.",
    "gc": "Remove parts that no value names.",
    "locate": "Show where the object of an address rests.",
    "inspect": "Show what a ref or a stored object says.",
    "explain": "Draw a chain and say what it is worth.",
    "doctor": "Check the configuration, the keyring and the store.",
    "airflow": "Migrate the state of an Airflow deployment, and compare its database with the store.",
    "demo": "Show on real data what the layers do and refuse.",
}


class _Verbs(click.Group):
    """Imports a verb when it is called, so that help and the other verbs do not wait for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [*_VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _VERBS:
            return None
        found: click.Command = getattr(import_module(f"lamella.cli.{cmd_name}"), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl([*_VERBS.items()])


@click.group(cls=_Verbs, subcommand_metavar="VERB ...", no_args_is_help=False)
@click.version_option(package_name="lamella", message="%(prog)s %(version)s")
@config_option
@chain_option
@json_option
@click.pass_context
def lamella(context: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - options of several types
    """Encrypt and compress what a state backend keeps.

    Every verb takes the options below as well.
    """
    verb = context.invoked_subcommand
    if verb is not None and (command := lamella.get_command(context, verb)) is not None:
        defaults = {name: each for name, each in given.items() if each not in {None, False}}
        context.default_map = {verb: _spread(command, defaults)}


def main() -> None:
    """Run the command line and exit with its code."""
    as_json = "--json" in sys.argv
    sys.excepthook = lambda kind, _, trace: _tell_unexpected(kind, trace, as_json=as_json)
    try:
        _replace_closed_streams()
        code = lamella.main(prog_name="lamella", standalone_mode=False)
    except (LamellaError, click.ClickException, click.Abort, OSError) as error:
        _tell(type(error).__name__, _sentence(error), transient=_is_transient(error), as_json=as_json)
        code = exit_code(error)
    sys.exit(code)


class _ClosedInput(io.RawIOBase):
    """A standard input that the caller closed, which is an error once it is read, and no empty one."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        del buffer
        raise _closed("input")


def _replace_closed_streams() -> None:
    """Put a stream where Python leaves None for one that was closed; refuse only where the answer would be lost."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_ClosedInput()))
    if sys.stdout is None:
        raise _closed("output")


def _closed(stream: str) -> OSError:
    return OSError(errno.EBADF, os.strerror(errno.EBADF), f"the standard {stream}")


def exit_code(error: Exception) -> int:
    """Return the exit code of an error that was expected."""
    if _is_transient(error):
        return _EX_TEMPFAIL
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)


def _is_transient(error: Exception) -> bool:
    return isinstance(error, LamellaError) and error.transient


def _spread(command: click.Command, defaults: dict[str, Any]) -> dict[str, Any]:
    """Hand the options that stand before the verb to it, and to the verbs below it."""
    if isinstance(command, click.Group):
        return {name: _spread(each, defaults) for name, each in command.commands.items()}
    return defaults


def _sentence(error: Exception) -> str:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        # Where no verb is given, click's message is the whole help.
        says = "Missing verb." if error.message == error.ctx.get_help() else error.format_message()
        stop = "" if says.endswith((".", "?")) else "."
        return f"{says}{stop} See `{error.ctx.command_path} --help`"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or type(error).__name__}"
    return str(error) or "interrupted"


def _tell(kind: str, sentence: str, *, transient: bool, as_json: bool) -> None:
    line = f"error: {sentence}"
    if as_json:
        line = json.dumps({"error": kind, "message": sentence, "transient": transient})
    click.echo(line, err=True)


def _tell_unexpected(kind: type[BaseException], trace: TracebackType | None, *, as_json: bool) -> None:
    """Name the place of a defect, and neither the exception's text nor a value: both may hold a plaintext."""
    at = traceback.extract_tb(trace)[-1]
    sentence = f"unexpected {kind.__name__} at line {at.lineno} of {at.filename}; report it to the authors of Lamella"
    _tell(kind.__name__, sentence, transient=False, as_json=as_json)
