"""`lamella explain`: a chain as a picture, and what it is worth."""

from __future__ import annotations

import json
import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli.options import stack_options
from lamella.cli.picture import draw_rows
from lamella.config import build_stack
from lamella.errors import StackWarning
from lamella.keys.keyring import Keyring
from lamella.order import better_order, order_warnings
from lamella.protocols.layer import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.cli.options import Setup
    from lamella.protocols.layer import Layer
    from lamella.stack import Stack

__all__ = ["explain"]


@click.command()
@click.argument("subject", required=False, metavar="[CHAIN|CONFIG]")
@stack_options
def explain(subject: str | None, *, setup: Setup) -> None:
    """Draw a chain line, a configuration file, or the configuration that is found.

    Needs no keyring and opens no store. A chain that works but wastes or leaks is warned about; one that cannot work
    ends with exit code 2.
    """
    if subject is not None:
        is_chain = "://" in subject or "|" in subject
        setup = replace(setup, chain=subject) if is_chain else replace(setup, path=Path(subject))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StackWarning)  # They are part of the answer.
        stack = build_stack(setup.config(), keyring=Keyring.ephemeral())
    _answer(stack, as_json=setup.as_json)


def _answer(stack: Stack, *, as_json: bool) -> None:
    layers = stack.engine.plan.layers
    found = order_warnings(layers)
    facts = {
        "layers": [{"name": each.name, "role": each.role, "settings": _settings(each)} for each in layers],
        "store": stack.engine.store.scheme,
        "strength": stack.engine.plan.strongest,
        "warnings": found,
        "better_order": better_order(layers) if found else None,
        "leaks": _leaks(layers),
        "memory": _memory(stack),
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        _draw(facts)


def _draw(facts: dict[str, Any]) -> None:
    layers = [
        (each["name"], each["role"], ", ".join(f"{name}={value}" for name, value in each["settings"].items()))
        for each in facts["layers"]
    ]
    draw_rows([("value", "", ""), *layers, (facts["store"], "store", "")])
    strength = facts["strength"]
    click.echo(f"strength {strength}" + ("" if strength else ": nothing is encrypted"))
    for sentence in facts["warnings"]:
        click.echo(f"warning: {sentence}")
    if facts["better_order"]:
        click.echo(f"better order: {facts['better_order']}")
    for sentence in facts["leaks"]:
        click.echo(f"whoever reads the store learns {sentence}")
    if facts["memory"]:
        click.echo(facts["memory"])


def _settings(layer: Layer) -> dict[str, Any]:
    return {each.name: getattr(layer, each.name) for each in fields(layer)}  # type: ignore[arg-type]  # Every layer is a dataclass.


def _memory(stack: Stack) -> str | None:
    """Say that a stream is not bounded in memory, where it is not."""
    store = stack.engine.store
    if stack.engine.plan.split is not None or store.streams or store.in_ref:
        return None
    return f"a stream is held in memory as a whole, since {store.scheme} takes one object in one piece: add chunk"


def _leaks(layers: Sequence[Layer]) -> list[str]:
    """Say what each object tells without a key, for these layers."""
    if not any(layer.strength for layer in layers):
        return ["the values themselves, and the names of their scopes and keys"]
    return [
        _length(layers),
        "how many values there are, their map indices, and when each was written",
        "which layers and which data key each went through, but no name and no value",
    ]


def _length(layers: Sequence[Layer]) -> str:
    """Say what an object's length tells: ciphertext never shrinks, and padding is gone where it is compressed."""
    compressed = rounded = padded = sealed = False
    for layer in layers:
        if layer.role == Role.COMPRESS:
            compressed, rounded = compressed or not sealed, False
        elif layer.role == Role.PAD:
            rounded = True
        elif layer.strength:
            padded, sealed = padded or rounded, True
    length = "about how long each value is, since padding rounds it" if padded else "exactly how long each value is"
    return f"{length}{', after compression' if compressed else ''}"
