"""`lamella inspect`: what a ref or a stored object says, with the keys and without them."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lamella.cli.answers import answer
from lamella.cli.options import stack_options
from lamella.cli.picture import draw_sizes
from lamella.cli.sizes import measure
from lamella.flow.read import read_ref
from lamella.flow.stream import pieces
from lamella.limits import DEFAULT_LIMITS
from lamella.wire.envelope import read_header
from lamella.wire.manifest import parse_manifest
from lamella.wire.ref import PREFIX, peek_ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamella.cli.options import Setup
    from lamella.protocols.layer import FactBlock
    from lamella.stack import Stack
    from lamella.wire.envelope import Header

__all__ = ["inspect"]

_PLAIN: Final = re.compile(r"[\w.:+/= -]+")
"""Texts that are shown as they are."""


@click.command()
@click.argument("subject", metavar="REF|FILE")
@click.option("--verify", is_flag=True, help="Use the keys of the configuration; --keyring and the like imply it.")
@stack_options
def inspect(subject: str, *, verify: bool, setup: Setup) -> None:
    """Show what a ref or the file of a stored object says.

    Without keys nothing of it is verified. With them the object is read to its end, and its size after each layer and
    its address are shown.
    """
    with_keys = verify or setup.is_given
    if not subject.startswith(PREFIX):
        if with_keys:
            raise click.UsageError("a file does not say where it belongs; to verify the object, give its ref.")
        _answer(_of_file(Path(subject)), as_json=setup.as_json)
    elif with_keys:
        with setup.stack() as stack:
            _verified(stack, subject, as_json=setup.as_json)
    else:
        _answer(_of_ref(subject), as_json=setup.as_json)


def _of_ref(text: str) -> dict[str, Any]:
    ref = peek_ref(text, DEFAULT_LIMITS)
    facts = {
        "verified": False,
        "ref_key_id": text.split(":", 3)[2],
        "store": ref.alias,
        "layers": _layers(ref.manifest),
        "kind": ref.place.kind,
        "scope_id": ref.place.scope_id,
        "map_index": ref.place.map_index,
        "key_id": ref.place.key_id,
        "locator": None if ref.body is not None else ref.place.head,
    }
    if ref.body is None:
        return facts
    return {**facts, **_of_header(read_header(iter((ref.body,)))[0]), "stored_bytes": len(ref.body)}


def _of_file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        header, _ = read_header(pieces(file))
    facts = {"verified": False, "layers": _layers(header.manifest), **_of_header(header)}
    return {**facts, "stored_bytes": path.stat().st_size}


def _of_header(header: Header) -> dict[str, Any]:
    return {"shape": ("whole", "head")[header.shape], "seals": _seals(header.facts)}


def _verified(stack: Stack, text: str, *, as_json: bool) -> None:
    engine = stack.engine
    ref = engine.verify(text)
    # The read holds the object against the ref and the policy; what measures it afterwards only counts.
    read_ref(engine, ref, lambda _, value: sum(map(len, value)), whole=False)
    measured = measure(engine, ref)
    address = measured.lead.address()
    facts = {
        **_of_ref(text),
        "verified": True,
        "layers": _layers(measured.manifest),
        "shape": "head" if measured.part_count else "whole",
        "seals": _seals(measured.facts),
        "scope": {name: each for name, each in asdict(address.scope).items() if each is not None},
        "key": address.key,
        "value_bytes": measured.value_bytes,
        "sizes": dict(measured.layers),
        "stored_bytes": measured.stored_bytes,
        "parts": measured.part_count,
    }
    _answer(facts, as_json=as_json)
    if not as_json:
        draw_sizes(measured)


def _layers(manifest: str) -> list[str]:
    return [
        f"{entry.name} version {entry.version}" + "".join(f" {name}={value}" for name, value in entry.params)
        for entry in parse_manifest(manifest)
    ]


def _seals(facts: Iterable[FactBlock]) -> list[dict[str, Any]]:
    return [
        {
            "position": each.position,
            "suite": each.suite,
            "mode": each.mode,
            "data_key_id": each.key_id.hex(),
            "sealed_at": _utc(each.sealed_at),
        }
        for each in facts
    ]


def _utc(milliseconds: int) -> str | None:
    """Return a time in ISO 8601, or None for one that no calendar has: an unverified header may hold any number."""
    try:
        at = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _answer(facts: dict[str, Any], *, as_json: bool) -> None:
    answer(facts, "\n".join(f"{name:13} {_cell(each)}" for name, each in facts.items()), as_json=as_json)


def _cell(fact: Any) -> str:  # noqa: ANN401 - any JSON document
    if isinstance(fact, dict):
        return ", ".join(f"{name}={_cell(each)}" for name, each in fact.items())
    if isinstance(fact, list):
        return "; ".join(map(_cell, fact)) or "none"
    if isinstance(fact, str) and not _PLAIN.fullmatch(fact):
        return json.dumps(fact)  # A name may hold what a terminal obeys, or what looks like another line or field.
    return "yes" if fact is True else "no" if fact is False else str(fact)
