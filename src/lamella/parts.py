"""Whether the parts of a stack can work together, judged before anything is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.errors import ConfigError, StackOrderError
from lamella.order import refuse_order
from lamella.policy import require_fips
from lamella.wire.ref import ALIAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamella.limits import Limits
    from lamella.policy import Policy
    from lamella.protocols.layer import Layer
    from lamella.protocols.store import Store
    from lamella.registry import Registry

__all__ = ["refuse_aliases", "refuse_parts"]


def refuse_parts(layers: Sequence[Layer], store: Store, policy: Policy, limits: Limits, registry: Registry) -> None:
    """Refuse layers that cannot be undone, cannot stand over this store, or seal nothing.

    Raises:
        ConfigError: The parts cannot work together.
    """
    if len(layers) > limits.max_layers:
        raise StackOrderError(f"the stack has {len(layers)} layers, limits.max_layers is {limits.max_layers}")
    for layer in layers:
        if registry.layer(layer.name) is not type(layer):
            raise ConfigError(f"layer {layer.name!r} is not the one that is registered, so no read could undo it")
    refuse_order(layers, store)
    if not policy.allow_plaintext and not any(layer.strength for layer in layers):
        raise ConfigError(
            "the stack has no layer that encrypts; add cobblestone256, or set policy.allow_plaintext = true"
        )
    if policy.require_fips:
        require_fips()


def refuse_aliases(
    alias: str, others: Mapping[str, Store], renamed: Mapping[str, str], stores: Mapping[str, Store]
) -> None:
    """Refuse names of stores that a ref could not hold, or that lead nowhere.

    Raises:
        ConfigError: An alias is misspelt, given twice, or renamed to no configured store.
    """
    for name in (alias, *others, *renamed):
        if not ALIAS.fullmatch(name):
            raise ConfigError(f"store alias {name!r}: use a letter, then up to 31 of a-z, 0-9, _ and -")
    if alias in others:
        raise ConfigError(f"store alias {alias!r} is given twice; rename one")
    for old, new in renamed.items():
        if new not in stores or old in stores:
            raise ConfigError(f"stores.aliases: {old!r} = {new!r} must lead from an unused alias to a configured store")
