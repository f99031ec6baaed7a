"""What the keyring commands share: the option that names the keyring, and what may be shown of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lamella.keys.record import KeyringRecord, KeyVersion

__all__ = ["describe_key", "describe_keyring", "keyring_option"]

keyring_option = click.option(
    "--keyring",
    "spec",
    metavar="SPEC",
    envvar="LAMELLA__KEYRING",
    default="file:lamella.keyring",
    show_default=True,
    show_envvar=True,
    help="Where the keyring is kept, as file:PATH or env:NAME.",
)


def describe_keyring(record: KeyringRecord) -> dict[str, Any]:
    """Return what may be shown of a keyring."""
    return {"deployment": record.deployment, "keyring_id": record.keyring_id.hex(), "epoch": record.epoch}


def describe_key(key: KeyVersion) -> dict[str, Any]:
    """Return what may be shown of a key."""
    return {"key_id": key.key_id.hex(), "role": key.role, "status": key.status, "created_at": key.created_at}
