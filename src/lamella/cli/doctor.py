"""`lamella doctor`: does what is configured work here and now?"""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, Final

import click

from lamella.cli.options import stack_options
from lamella.errors import IntegrityError, LamellaError
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamella.cli.options import Setup
    from lamella.stack import Stack

__all__ = ["doctor"]

_DAG_ID: Final = "lamella-doctor"
"""The workflow under which the round trip leaves nothing behind."""


@dataclass(slots=True)
class _Report:
    """The steps in their order, and the error of the first that failed.

    Attributes:
        as_json: Keep the lines back for one document.
        steps: Each step's name, and None or what went wrong.
        error: What the first failed step raised.
    """

    as_json: bool
    steps: dict[str, str | None] = field(default_factory=dict)
    error: LamellaError | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step; what fails is told, and ends the round trip."""
        try:
            yield
        except LamellaError as error:
            self.steps[name] = f"{type(error).__name__}: {error}"
            self.error = self.error or error
            self.say(f"{name:24} failed")
            raise
        self.steps[name] = None
        self.say(f"{name:24} ok")

    def say(self, line: str) -> None:
        if not self.as_json:
            click.echo(line)


@click.command()
@stack_options
def doctor(*, setup: Setup) -> None:
    """Check the configuration, the keyring and the store.

    Writes, reads and deletes one small value at an address of its own on the real store.
    """
    report = _Report(setup.as_json)
    facts: dict[str, Any] = {"plugins": _plugins()}
    with suppress(LamellaError):
        _examine(setup, report, facts)
    if setup.as_json:
        click.echo(
            json.dumps({**facts, "steps": [{"step": each, "failed": why} for each, why in report.steps.items()]})
        )
    if report.error is not None:
        raise report.error


def _examine(setup: Setup, report: _Report, facts: dict[str, Any]) -> None:
    for name, distribution in facts["plugins"].items():
        report.say(f"{name:24} {distribution}")
    with report.step("configuration"):
        config = setup.config()
    facts["configuration"] = {
        name: {"value": str(value), "from": config.origins[name]} for name, value in config.shown.items()
    }
    for name, each in facts["configuration"].items():
        report.say(f"  {name} = {each['value']}  ({each['from']})")
    with ExitStack() as opened:
        with report.step("stack and keyring"):
            stack = opened.enter_context(setup.stack())
        keyring = stack.engine.keyring
        ids = {"deployment": keyring.deployment, "keyring_id": keyring.keyring_id.hex(), "epoch": keyring.epoch}
        facts["keyring"] = ids
        report.say(f"  {stack!r}")
        report.say("  " + ", ".join(f"{name} {each}" for name, each in ids.items()))
        _round_trip(stack, report)


def _round_trip(stack: Stack, report: _Report) -> None:
    """Write, read and delete a value in a scope that no task has."""
    address = Address(TaskScope(_DAG_ID, secrets.token_hex(8), "round-trip"), "probe")
    value = {"probe": secrets.token_hex(32)}
    try:
        with report.step("write"):
            ref = stack.put(address, value)
        with report.step("read"):
            if stack.get(ref, expect=address) != value:
                raise IntegrityError
    finally:
        with report.step("delete"):
            stack.delete(address)


def _plugins() -> dict[str, str]:
    registry = installed_registry()
    kinds = {"layer": registry.layers, "store": registry.stores, "key provider": registry.key_providers}
    return {
        f"{kind} {name}": _distribution(plugin)
        for kind, table in kinds.items()
        for name, plugin in sorted(table.items())
    }


def _distribution(plugin: object) -> str:
    dist = plugin.dist if isinstance(plugin, EntryPoint) else None
    return "unknown" if dist is None else f"{dist.name} {dist.version}"
