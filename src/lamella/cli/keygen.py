"""`lamella keygen`: make the first keyring of a deployment."""

from __future__ import annotations

import time

import click

from lamella.cli.answers import answer, json_option
from lamella.cli.keyring_options import describe_keyring, keyring_option
from lamella.keys.document import pack
from lamella.keys.edit import keygen as make_keyring
from lamella.keys.open import open_provider

__all__ = ["keygen"]


@click.command()
@click.option("--deployment", required=True, metavar="NAME", help="The name of the installation; it never changes.")
@keyring_option
@json_option
def keygen(deployment: str, spec: str, *, as_json: bool) -> None:
    """Make a keyring, and never overwrite one."""
    provider = open_provider(spec)
    record = make_keyring(deployment, created_at=int(time.time()))
    provider.save(pack(record), replace=False)
    answer(
        {**describe_keyring(record), "keyring": spec},
        f"keyring {record.keyring_id.hex()} of deployment {deployment} is in {spec}; "
        "back it up now with `lamella key export`: without it nothing can be read",
        as_json=as_json,
    )
