"""The allow-list: every layer, store and key provider by its registered name.

Names come from entry points alone. Nothing that is stored is ever an import path, and one name has one owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from lamella.errors import ConfigError, DuplicatePluginError, UnknownPluginError
from lamella.interruption import passes
from lamella.protocols.key_provider import KeyProvider
from lamella.protocols.layer import Layer
from lamella.protocols.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import EntryPoint

__all__ = ["RETIRED_NAMES", "Registry", "configuring", "import_fault", "installed_registry"]

RETIRED_NAMES: Final[frozenset[str]] = frozenset()
"""Names that a release used and no later one may reuse."""

_Table = Mapping[str, "EntryPoint | type[Any]"]


@dataclass(frozen=True, slots=True)
class Registry:
    """Three tables of plugins by name; a plugin is imported when it is first asked for.

    Attributes:
        layers: By layer name.
        stores: By URL scheme.
        key_providers: By the name that begins a keyring spec.
    """

    layers: _Table = field(default_factory=dict)
    stores: _Table = field(default_factory=dict)
    key_providers: _Table = field(default_factory=dict)

    def layer(self, name: str) -> type[Layer]:
        """Return the layer of that name.

        Raises:
            UnknownPluginError: No installed distribution registers it.
            ConfigError: What is registered is not a layer of that name.
        """
        cls = _resolve("layer", self.layers, name, Layer)
        if cls.name != name:
            raise ConfigError(f"layer {name!r} calls itself {cls.name!r}; report it to its distribution")
        return cls

    def store(self, scheme: str) -> type[Store]:
        """Return the store of that URL scheme; raises as `layer` does."""
        return _resolve("store", self.stores, scheme, Store)

    def key_provider(self, name: str) -> type[KeyProvider]:
        """Return the key provider of that name; raises as `layer` does."""
        return _resolve("key provider", self.key_providers, name, KeyProvider)

    def with_layers(self, *layers: type[Layer]) -> Registry:
        """Return a registry that knows these layers too, for a layer that no distribution registers yet.

        Raises:
            DuplicatePluginError: A name is taken.
        """
        table = dict(self.layers)
        for layer in layers:
            _claim("layer", table, layer.name, layer)
        return replace(self, layers=table)


@lru_cache(maxsize=1)
def installed_registry() -> Registry:
    """Return what the installed distributions register.

    Raises:
        DuplicatePluginError: Two of them register one name.
    """
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to import, and hosts have mostly done so

    points = entry_points()
    return Registry(
        layers=_table("layer", points.select(group="lamella.layers")),
        stores=_table("store", points.select(group="lamella.stores")),
        key_providers=_table("key provider", points.select(group="lamella.key_providers")),
    )


def import_fault(error: Exception) -> str:
    """Return what the error of an import says where that is about names; else nothing, since it may hold a secret."""
    return str(error) if isinstance(error, (ImportError, AttributeError, SyntaxError)) else ""


@contextmanager
def configuring(label: str) -> Iterator[None]:
    """Name a plugin that raises an error of its own on what is configured, and never that error's text.

    Raises:
        ConfigError: It raised one.
        OSError: It raised that; the caller knows what it asked for.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if passes(error):
            raise
        raise ConfigError(
            f"{label} does not take its settings: it raised {type(error).__name__}, which its traceback explains; "
            "correct them, or report it to its distribution"
        ) from error


def _table(what: str, points: Iterable[EntryPoint]) -> _Table:
    table: dict[str, EntryPoint | type[Any]] = {}
    for point in points:
        _claim(what, table, point.name, point)
    return table


def _claim(what: str, table: dict[str, EntryPoint | type[Any]], name: str, plugin: EntryPoint | type[Any]) -> None:
    if name in RETIRED_NAMES:
        raise DuplicatePluginError(f"{what} {name!r}: an earlier release used the name; choose another")
    held = table.get(name, plugin)
    # An entry point cannot be compared with a class.
    if isinstance(held, type) is not isinstance(plugin, type) or held != plugin:
        raise DuplicatePluginError(f"{what} {name!r} is registered twice; uninstall one of the two distributions")
    table[name] = plugin


def _resolve(what: str, table: _Table, name: str, base: type[Any]) -> type[Any]:
    plugin = table.get(name)
    if plugin is None:
        known = ", ".join(sorted(table)) or "none"
        raise UnknownPluginError(
            f"no {what} is named {name!r}; installed are: {known}. Correct it or install its plugin"
        )
    try:
        cls = plugin if isinstance(plugin, type) else plugin.load()
    except Exception as error:
        if passes(error):
            raise
        fault = import_fault(error) or type(error).__name__
        raise ConfigError(f"{what} {name!r} cannot be imported ({fault}); install its distribution again") from error
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ConfigError(f"{what} {name!r}: what is registered is no {what}; report it to its distribution")
    return cls
