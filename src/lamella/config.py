"""The configuration: one model, whichever doors its settings came through, and the stack that it describes.

Source: docs/configuration.md.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from lamella.build import build_layer, build_store
from lamella.chain import Chain, LayerSpec, StoreSpec, is_url, parse_url
from lamella.doors import Given, gather
from lamella.errors import ConfigError
from lamella.keys.keyring import Keyring
from lamella.keys.open import open_provider
from lamella.limits import Limits
from lamella.policy import Policy
from lamella.registry import Registry, installed_registry
from lamella.settings import masked, unknown
from lamella.stack import Stack
from lamella.wire.ref import ALIAS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Config", "build_stack", "load_config", "open_stack"]

_RECOMMENDED: Final = "zstd | padme | cobblestone256 | chunk | sqlite:///state.db"
_DEFAULT: Final = "default"
_DEFAULTS: Final[Mapping[str, object]] = {
    "alias": "main",
    "keyring": "file:lamella.keyring",
    "keys.deployment": None,
    "keys.keyring_id": None,
    "keys.min_epoch": 0,
    **{f"policy.{each.name}": each.default for each in fields(Policy)},
    **{f"limits.{each.name}": each.default for each in fields(Limits)},
    "workers.state_backend": "",
}
# What follows the name of another provider may be a credential.
_PLAIN_SPEC: Final = re.compile(r"file:(?!.*lamella-keyring.*:).*|env:[A-Za-z_][A-Za-z0-9_]*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Config:
    """The effective settings; shown without credentials.

    Attributes:
        layers: In write order.
        alias: The name by which refs know the store that is written to.
        stores: Every store by its alias, the one that is written to included.
        renamed: Aliases of earlier configurations, and what they are called now.
        keyring: The spec of the keyring.
        deployment: What the keyring's deployment must be.
        keyring_id: What the keyring's id must be, 8 bytes.
        min_epoch: What the keyring's epoch must be at least.
        policy: What this process writes and reads.
        limits: The ceilings.
        shown: Each setting by its dotted name, with every credential as `***`.
        origins: Where each of them came from: `argument`, `environment NAME`, the path of the file, `default`, or what
            a host calls its own option.
    """

    layers: tuple[LayerSpec, ...]
    alias: str
    stores: Mapping[str, StoreSpec]
    renamed: Mapping[str, str]
    keyring: str
    deployment: str | None
    keyring_id: bytes | None
    min_epoch: int
    policy: Policy
    limits: Limits
    shown: Mapping[str, object]
    origins: Mapping[str, str]

    def __repr__(self) -> str:
        """Show what differs from the defaults."""
        given = (f"{name}={value!r}" for name, value in self.shown.items() if self.origins[name] != _DEFAULT)
        return f"Config({', '.join(given)})"


def load_config(
    chain: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Config:
    """Return the effective configuration: arguments before the environment, before the file, before the defaults.

    Args:
        chain: The chain; stronger than one in `settings`.
        path: The TOML file; by default what `LAMELLA__CONFIG` names, else `lamella.toml` if there is one.
        environ: The environment; by default that of the process.
        settings: The tables of a TOML file, or dotted names; a `Given` says itself where its value came from.

    Raises:
        ConfigError: A setting is unknown, of the wrong type, missing or contradicts another one.
    """
    given = gather(chain, path, os.environ if environ is None else environ, settings or {})
    effective = {name: Given(value, _DEFAULT) for name, value in _DEFAULTS.items()} | given
    alias, stores = _stores(_chain_of(effective).end, effective)
    return Config(
        layers=_chain_of(effective).layers,
        alias=alias,
        stores=MappingProxyType(stores),
        renamed=MappingProxyType(_section(effective, "stores.aliases.")),
        keyring=effective["keyring"].value,
        **_section(effective, "keys."),
        policy=Policy(**_section(effective, "policy.")),
        limits=Limits(**_section(effective, "limits.")),
        shown=MappingProxyType({name: _shown(name, item.value) for name, item in effective.items()}),
        origins=MappingProxyType({name: item.origin for name, item in effective.items()}),
    )


def build_stack(config: Config, *, keyring: Keyring | None = None, registry: Registry | None = None) -> Stack:
    """Build the stack that a configuration describes; only the keyring is read, and no store is opened.

    Args:
        config: What `load_config` returned.
        keyring: All keys; used as it is, in place of the one that the configuration names and pins.
        registry: The known plugins; by default those that distributions register.

    Raises:
        ConfigError: A layer or store is unknown or refuses its settings, or they cannot work together.
        KeyringError: The keyring is missing, exposed or damaged.
    """
    registry = registry or installed_registry()
    layers = [build_layer(f"item {number}", spec, registry) for number, spec in enumerate(config.layers, 1)]
    stores = {alias: build_store(f"stores.{alias}", spec, registry) for alias, spec in config.stores.items()}
    return Stack(
        layers,
        stores.pop(config.alias),
        keyring or _open_keyring(config, registry),
        policy=config.policy,
        limits=config.limits,
        alias=config.alias,
        others=stores,
        renamed=config.renamed,
        registry=registry,
    )


def open_stack(
    chain: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Stack:
    """Load the configuration and build its stack; takes and raises what `load_config` and `build_stack` do."""
    return build_stack(load_config(chain, path=path, environ=environ, settings=settings))


def _open_keyring(config: Config, registry: Registry) -> Keyring:
    return Keyring.open(
        open_provider(config.keyring, registry),
        deployment=config.deployment,
        keyring_id=config.keyring_id,
        min_epoch=config.min_epoch,
    )


def _chain_of(effective: Mapping[str, Given]) -> Chain:
    if "chain" in effective:
        chain: Chain = effective["chain"].value
        return chain
    if "layers" not in effective:
        raise ConfigError(
            f'no layers are configured; set LAMELLA__CHAIN, or in lamella.toml: chain = "{_RECOMMENDED}", '
            "or in airflow.cfg: [lamella] chain"
        )
    return Chain(effective["layers"].value, effective.get("store", effective["alias"]).value)


def _stores(end: str, effective: Mapping[str, Given]) -> tuple[str, dict[str, StoreSpec]]:
    """Return the alias of the store at the end of the chain, and all stores."""
    tables: dict[str, dict[str, str]] = defaultdict(dict)
    for name, item in effective.items():
        if name.startswith("stores.") and not name.startswith("stores.aliases."):
            _, alias, option = name.split(".")
            tables[alias][option] = item.value
    alias, origin = effective["alias"]
    if is_url(end):
        if "url" in tables[alias]:
            raise ConfigError(
                f"the chain ends in a store URL, and stores.{alias}.url is given too; end the chain with {alias!r}, "
                "or set alias to another name for the new store"
            )
        tables[alias]["url"] = end
    elif end not in tables:
        why = unknown("store", end, tables) if ALIAS.fullmatch(end) else "its last item is neither"
        raise ConfigError(
            f"the chain must end in a store URL, as in sqlite:///state.db, or in a store of [stores]: {why}"
        )
    elif origin != _DEFAULT and alias != end:
        raise ConfigError(f"alias ({origin}) is not the store {end!r} that the chain ends in; remove alias")
    else:
        alias = end
    return alias, {name: _store_spec(name, options) for name, options in tables.items()}


def _store_spec(alias: str, options: dict[str, str]) -> StoreSpec:
    if "url" not in options:
        raise ConfigError(f'stores.{alias} has no url; add one, as in url = "sqlite:///state.db"')
    spec = parse_url(f"stores.{alias}.url", options.pop("url"))
    twice = sorted(spec.options.keys() & options.keys())
    if twice:
        raise ConfigError(f"stores.{alias}: {', '.join(twice)} is given in the URL and beside it; remove one")
    return StoreSpec(spec.url, MappingProxyType({**spec.options, **options}))


def _section(effective: Mapping[str, Given], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): item.value for name, item in effective.items() if name.startswith(prefix)}


def _shown(name: str, value: object) -> object:
    """Return what may be shown of a setting."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Chain):
        return str(value)
    if name == "layers" and isinstance(value, tuple):
        return tuple(map(str, value))
    if isinstance(value, str) and name == "keyring":
        provider, colon, _ = value.partition(":")
        return value if _PLAIN_SPEC.fullmatch(value) else f"{provider}:***" if colon else "***"
    if isinstance(value, str) and name.startswith("store"):
        url = name.endswith(("store", ".url")) and is_url(value)
        return str(parse_url(name, value)) if url else masked(name.rpartition(".")[2], value)
    return value
