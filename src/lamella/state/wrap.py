"""Putting layers around a state backend that exists already.

Source: docs/state.md, "Wrapping".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamella.build import build_layer
from lamella.chain import parse_chain
from lamella.limits import DEFAULT_LIMITS, Limits
from lamella.registry import Registry, installed_registry
from lamella.stack import Stack
from lamella.state.inner import BackendStore
from lamella.state.layered import LayeredStateBackend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.keys.keyring import Keyring
    from lamella.policy import Policy
    from lamella.protocols.layer import Layer

__all__ = ["wrap"]


def wrap(  # noqa: PLR0913 - what a stack is made of
    backend: Any,  # noqa: ANN401 - any object with the contract
    layers: str | Sequence[Layer],
    keyring: Keyring,
    *,
    policy: Policy | None = None,
    limits: Limits = DEFAULT_LIMITS,
    registry: Registry | None = None,
) -> LayeredStateBackend:
    """Return a backend that takes every value and text through layers before another backend gets it.

    Args:
        backend: Any object with the contract of a state backend, in either shape of its hooks.
        layers: In write order, as objects or as the line `zstd | padme | cobblestone256`.
        keyring: All keys.
        policy: What this process writes and reads.
        limits: The ceilings; `max_inline_bytes` is that of the wrapped backend's refs.
        registry: The installed layers; by default those that distributions register.

    Raises:
        ConfigError: The object is no state backend, or the layers cannot work.
        StackOrderError: A layer needs what no state backend can do: `chunk` needs a store that lists.
    """
    registry = registry or installed_registry()
    if isinstance(layers, str):
        specs = parse_chain("layers", f"{layers} | main").layers
        layers = [build_layer(f"layer {number}", spec, registry) for number, spec in enumerate(specs, 1)]
    return LayeredStateBackend(
        Stack(layers, BackendStore(backend), keyring, policy=policy, limits=limits, registry=registry)
    )
