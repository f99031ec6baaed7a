"""`lamella key`: list, rotate and back up the keys of a keyring."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Column, Table

from lamella.cli.answers import answer, json_option
from lamella.cli.keyring_options import describe_key, describe_keyring, keyring_option
from lamella.errors import KeyringError
from lamella.keys import edit
from lamella.keys.document import pack
from lamella.keys.export import missing_keys, open_backup, wrap_export
from lamella.keys.open import load_record, open_provider
from lamella.keys.providers import FileKeyProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.keys.record import KeyringRecord

__all__ = ["key"]

_STDOUT = Path("-")


def _full_key_id(context: click.Context, parameter: click.Parameter, text: str) -> bytes:
    # A prefix might name another key one day.
    if not re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{8}", text):
        raise click.BadParameter("give the full id: 16 hexadecimal digits, or 8 for a ref key", context, parameter)
    return bytes.fromhex(text)


_key_id_argument = click.argument("key_id", callback=_full_key_id)
_backup_argument = click.argument("backup", type=click.Path(path_type=Path, exists=True))
_wrapped_by_option = click.option(
    "--wrapped-by", "wrapping", metavar="SPEC", help="The keyring that wrapped the backup."
)


@click.group()
def key() -> None:
    """List, rotate and back up keys."""


@key.command()
@click.option(
    "--role",
    type=click.Choice(["data", "ref"]),
    default="data",
    show_default=True,
    help="A data key wraps the keys of values, a ref key makes the tags of refs.",
)
@keyring_option
@json_option
def add(role: str, spec: str, *, as_json: bool) -> None:
    """Add a staged key, which nothing writes with until it is promoted."""
    record = edit.change_keyring(open_provider(spec), lambda old: edit.add(old, role, created_at=int(time.time())))
    _report(record, record.keys[-1].key_id, as_json=as_json)


@key.command()
@_key_id_argument
@keyring_option
@json_option
def promote(key_id: bytes, spec: str, *, as_json: bool) -> None:
    """Make a staged or active key the one that writes."""
    _change(spec, edit.promote, key_id, as_json=as_json)


@key.command()
@_key_id_argument
@keyring_option
@json_option
def disable(key_id: bytes, spec: str, *, as_json: bool) -> None:
    """Stop every use of a key, but keep its secret."""
    _change(spec, edit.disable, key_id, as_json=as_json)


@key.command()
@_key_id_argument
@keyring_option
@json_option
def activate(key_id: bytes, spec: str, *, as_json: bool) -> None:
    """Allow the use of a disabled key again."""
    _change(spec, edit.activate, key_id, as_json=as_json)


@key.command()
@_key_id_argument
@click.option("--yes-destroy-the-data", is_flag=True, help="What the key protects is lost for ever.")
@keyring_option
@json_option
def destroy(key_id: bytes, spec: str, *, yes_destroy_the_data: bool, as_json: bool) -> None:
    """Forget the secret of a disabled key for ever."""
    if not yes_destroy_the_data:
        raise click.UsageError(
            f"what key {key_id.hex()} protects can never be read again; to mean it, give --yes-destroy-the-data"
        )
    _change(spec, edit.destroy, key_id, as_json=as_json)


@key.command("list")
@keyring_option
@json_option
def list_keys(spec: str, *, as_json: bool) -> None:
    """Show the keys with their roles and statuses."""
    record = load_record(open_provider(spec))
    if as_json:
        click.echo(json.dumps({**describe_keyring(record), "keys": [describe_key(each) for each in record.keys]}))
        return
    table = Table(Column("key id", no_wrap=True), "role", "status", "created")
    for each in record.keys:
        created = datetime.fromtimestamp(each.created_at, timezone.utc)
        table.add_row(each.key_id.hex(), each.role, each.status, f"{created:%Y-%m-%d %H:%M:%S}Z")
    click.echo(f"keyring {record.keyring_id.hex()}, deployment {record.deployment}, epoch {record.epoch}")
    Console().print(table)


@key.command()
@click.option("--output", required=True, type=click.Path(path_type=Path, allow_dash=True), help="A new file, or -.")
@click.option("--wrap-with", "wrapping", metavar="SPEC", help="Encrypt under the primary data key of this keyring.")
@keyring_option
@json_option
def export(output: Path, wrapping: str | None, spec: str, *, as_json: bool) -> None:
    """Write a backup: the plain document unless it is wrapped."""
    if as_json and output == _STDOUT:
        raise click.UsageError("--json and --output - would both print to the standard output; name a file")
    record = load_record(open_provider(spec))
    backup = pack(record) if wrapping is None else wrap_export(record, load_record(open_provider(wrapping)))
    if output == _STDOUT:
        click.echo(backup, nl=False)
        return
    FileKeyProvider(output).save(backup, replace=False)
    answer(
        {**describe_keyring(record), "output": str(output), "wrapped": wrapping is not None},
        f"backup of keyring {record.keyring_id.hex()} at epoch {record.epoch} is in {output}"
        + ("" if wrapping else "; it holds every secret in the clear"),
        as_json=as_json,
    )


@key.command("verify-backup")
@_backup_argument
@_wrapped_by_option
@keyring_option
@json_option
def verify_backup(backup: Path, wrapping: str | None, spec: str, *, as_json: bool) -> None:
    """Prove that a backup opens and holds every key of the keyring."""
    record = load_record(open_provider(spec))
    restored = _opened(backup, wrapping)
    missing = missing_keys(record, restored)
    facts = {**describe_keyring(restored), "complete": not missing, "missing": [describe_key(each) for each in missing]}
    sentence = f"{backup} holds every key of keyring {record.keyring_id.hex()}"
    if as_json or not missing:
        answer(facts, sentence, as_json=as_json)
    if missing:
        names = ", ".join(f"{each.role} key {each.key_id.hex()}" for each in missing)
        raise KeyringError(f"{backup} lacks {names}; make a new backup with `lamella key export`")


@key.command()
@_backup_argument
@_wrapped_by_option
@keyring_option
@json_option
def restore(backup: Path, wrapping: str | None, spec: str, *, as_json: bool) -> None:
    """Put the keyring of a backup where none is."""
    record = _opened(backup, wrapping)
    open_provider(spec).save(pack(record), replace=False)
    answer(
        {**describe_keyring(record), "keyring": spec},
        f"keyring {record.keyring_id.hex()} at epoch {record.epoch} is in {spec}, as {backup} held it",
        as_json=as_json,
    )


def _opened(backup: Path, wrapping: str | None) -> KeyringRecord:
    by = None if wrapping is None else load_record(open_provider(wrapping))
    return open_backup(FileKeyProvider(backup).load(), by)


def _change(spec: str, step: Callable[[KeyringRecord, bytes], KeyringRecord], key_id: bytes, *, as_json: bool) -> None:
    record = edit.change_keyring(open_provider(spec), lambda old: step(old, key_id))
    _report(record, key_id, as_json=as_json)


def _report(record: KeyringRecord, key_id: bytes, *, as_json: bool) -> None:
    changed = next(each for each in record.keys if each.key_id == key_id)
    answer(
        {**describe_keyring(record), "key": describe_key(changed)},
        f"{changed.role} key {key_id.hex()} is {changed.status}; the keyring is at epoch {record.epoch}",
        as_json=as_json,
    )
