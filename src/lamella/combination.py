"""Whether layers, store and policy can work together, judged before anything is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamella.errors import ConfigError, StackOrderError
from lamella.order import refuse_order
from lamella.policy import require_fips
from lamella.protocols.layer import Role, SplitLayer
from lamella.wire.envelope import MAX_HEADER_BYTES
from lamella.wire.ref import ALIAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamella.limits import Limits
    from lamella.policy import Policy
    from lamella.protocols.layer import Layer
    from lamella.protocols.store import Store
    from lamella.registry import Registry

__all__ = ["refuse_aliases", "refuse_combination"]

# By which part of itself what follows the split may make a part longer: a padding, or else runs and seals.
_PADDED: Final = 8
_SEALED: Final = 256


def refuse_combination(
    layers: Sequence[Layer], store: Store, policy: Policy, limits: Limits, registry: Registry
) -> None:
    """Refuse layers that cannot be undone, cannot stand over this store, or seal nothing.

    Raises:
        ConfigError: They cannot work together.
    """
    if len(layers) > limits.max_layers:
        raise StackOrderError(f"the stack has {len(layers)} layers, limits.max_layers is {limits.max_layers}")
    for layer in layers:
        if registry.layer(layer.name) is not type(layer):
            raise ConfigError(f"layer {layer.name!r} is not the one that is registered, so no read could undo it")
    refuse_order(layers, store)
    _refuse_large_parts(layers, store)
    if not policy.allow_plaintext and not any(layer.strength for layer in layers):
        raise ConfigError(
            "the stack has no layer that encrypts; add cobblestone256, or set policy.allow_plaintext = true, "
            "or in airflow.cfg: [lamella] allow_plaintext = True"
        )
    if policy.require_fips:
        require_fips()


def _refuse_large_parts(layers: Sequence[Layer], store: Store) -> None:
    for position, layer in enumerate(layers):
        if isinstance(layer, SplitLayer) and store.max_object_bytes is not None:
            pads = any(each.role == Role.PAD for each in layers[position:])
            longest = layer.part_bytes + layer.part_bytes // (_PADDED if pads else _SEALED) + MAX_HEADER_BYTES
            if longest > store.max_object_bytes:
                raise StackOrderError(
                    f"{layer.name} may make objects of {longest} bytes, {store.scheme}:// takes up to "
                    f"{store.max_object_bytes}; set a smaller part_bytes"
                )


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
