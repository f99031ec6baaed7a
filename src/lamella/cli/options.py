"""What the verbs share: which stack they work on, and which address."""

from __future__ import annotations

import warnings
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli.answers import json_option
from lamella.config import build_stack, load_config
from lamella.errors import StackWarning
from lamella.scope import NO_MAP_INDEX, Address, AssetScope, TaskScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamella.config import Config
    from lamella.scope import Scope
    from lamella.stack import Stack

__all__ = [
    "Names",
    "Setup",
    "chain_option",
    "config_option",
    "key_option",
    "scope_options",
    "stack_options",
]

config_option = click.option(
    "--config", "path", type=click.Path(path_type=Path), metavar="PATH", help="The configuration file."
)
chain_option = click.option(
    "--chain", metavar="LINE", help='The layers and the store, as "zstd | ... | sqlite:///x.db".'
)
_keyring_option = click.option("--keyring", metavar="SPEC", help="Where the keyring is kept, as file:PATH or env:NAME.")
key_option = click.option("--key", metavar="NAME", help="The key inside the scope.")

_SCOPE_OPTIONS = (
    click.option("--dag", "dag_id", metavar="ID", help="The workflow of a task."),
    click.option("--run", "run_id", metavar="ID", help="The run of the workflow."),
    click.option("--task", "task_id", metavar="ID", help="The task."),
    click.option("--map-index", type=int, metavar="N", help="The index of a mapped task."),
    click.option("--asset-name", metavar="NAME", help="An asset, by its name."),
    click.option("--asset-uri", metavar="URI", help="An asset, by its URI."),
    click.option("--asset-id", type=int, metavar="N", help="An asset, by its number."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The configuration that the options choose, and whether to answer in JSON.

    Attributes:
        path: The configuration file.
        chain: The chain line.
        keyring: The keyring spec.
        as_json: Print one JSON document.
    """

    path: Path | None
    chain: str | None
    keyring: str | None
    as_json: bool

    @property
    def is_given(self) -> bool:
        """Whether an option names a configuration at all."""
        return (self.path, self.chain, self.keyring) != (None, None, None)

    def config(self) -> Config:
        """Load the configuration.

        Raises:
            ConfigError: It cannot work.
        """
        settings = {} if self.keyring is None else {"keyring": self.keyring}
        return load_config(self.chain, path=self.path, settings=settings)

    @contextmanager
    def stack(self) -> Iterator[Stack]:
        """Build the stack, and close its stores in the end.

        Raises:
            ConfigError: The configuration cannot work.
            KeyringError: The keyring cannot be opened.
        """
        config = self.config()
        with _telling_warnings():
            stack = build_stack(config)
        with closing(stack):
            yield stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names on the command line that make up a scope, each None where it was not given."""

    dag_id: str | None
    run_id: str | None
    task_id: str | None
    map_index: int | None
    asset_name: str | None
    asset_uri: str | None
    asset_id: int | None

    @property
    def are_given(self) -> bool:
        """Whether any of them is."""
        return any(getattr(self, each.name) is not None for each in fields(self))

    def scope(self) -> Scope:
        """Return the scope that they name.

        Raises:
            click.UsageError: They name none, or two.
            AddressError: One of them cannot be a name.
        """
        task = (self.dag_id, self.run_id, self.task_id)
        asset = (self.asset_id, self.asset_name, self.asset_uri)
        if sum(each is not None for each in asset) == 1 and task == (None, None, None) and self.map_index is None:
            return AssetScope(*asset)
        if asset != (None, None, None) or self.dag_id is None or self.run_id is None or self.task_id is None:
            raise click.UsageError(
                "name one scope: --dag, --run and --task (and --map-index), or one of --asset-name, --asset-uri "
                "and --asset-id."
            )
        map_index = NO_MAP_INDEX if self.map_index is None else self.map_index
        return TaskScope(self.dag_id, self.run_id, self.task_id, map_index)

    def address(self, key: str | None) -> Address:
        """Return the address of a key in that scope; raises as `scope`."""
        scope = self.scope()
        if key is None:
            raise click.UsageError("name the key inside the scope: --key NAME.")
        return Address(scope, key)


def stack_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of a stack, gathered in its argument `setup`."""

    @json_option
    @_keyring_option
    @chain_option
    @config_option
    @wraps(command)
    def gathered(path: Path | None, chain: str | None, keyring: str | None, *, as_json: bool, **rest: Any) -> None:  # noqa: ANN401 - the verb's own options
        command(setup=Setup(path=path, chain=chain, keyring=keyring, as_json=as_json), **rest)

    return gathered


def scope_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that name a scope, gathered in its argument `names`."""

    @wraps(command)
    def gathered(**given: Any) -> None:  # noqa: ANN401 - options of several types
        taken = {each.name: given.pop(each.name) for each in fields(Names)}
        command(names=Names(**taken), **given)

    decorated: Callable[..., None] = gathered
    for option in reversed(_SCOPE_OPTIONS):
        decorated = option(decorated)
    return decorated


@contextmanager
def _telling_warnings() -> Iterator[None]:
    """Print a `StackWarning` as one line on the standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StackWarning)
        yield
    for each in caught:
        click.echo(f"warning: {each.message}", err=True)
