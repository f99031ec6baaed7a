"""`lamella locate`: from names to ids and a locator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamella.cli.answers import answer
from lamella.cli.options import key_option, scope_options, stack_options

if TYPE_CHECKING:
    from lamella.cli.options import Names, Setup

__all__ = ["locate"]


@click.command()
@scope_options
@key_option
@stack_options
def locate(key: str | None, *, names: Names, setup: Setup) -> None:
    """Show where the object of an address rests in the store, which names alone do not tell."""
    address = names.address(key)
    with setup.stack() as stack:
        place = stack.engine.place(address)
        facts = {
            "locator": place.head,
            "parts": place.parts,
            "kind": place.kind,
            "scope_id": place.scope_id,
            "map_index": place.map_index,
            "key_id": place.key_id,
            "store": stack.engine.alias,
        }
    answer(facts, "\n".join(f"{name:10} {fact}" for name, fact in facts.items()), as_json=setup.as_json)
