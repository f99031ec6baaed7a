"""The stacks that are soaked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.policy import Policy
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack

if TYPE_CHECKING:
    from lamella.keys.keyring import Keyring
    from lamella.protocols.store import Store

__all__ = ["ADDRESS", "RECOMMENDED", "SMALL_PART_BYTES", "build"]

ADDRESS = Address(TaskScope("soak", "run", "task"), "key")
RECOMMENDED = "zstd | padme | cobblestone256 | chunk"
SMALL_PART_BYTES = 64 * 1024


def build(order: str, store: Store, keyring: Keyring, **chunk: int) -> Stack:
    """Build the stack of an order; what it says of the chunk layer is its settings."""
    registry = installed_registry()
    layers = [registry.layer(name)(**(chunk if name == "chunk" else {})) for name in order.split(" | ")]
    return Stack(layers, store, keyring, policy=Policy(allow_plaintext=True))
