"""Layer contexts and keys for tests: everything that a layer needs, without a stack around it."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from lamella.errors import IntegrityError, KeyVersionNotFoundError
from lamella.limits import DEFAULT_LIMITS
from lamella.protocols.key_provider import ValueKey
from lamella.protocols.layer import LayerContext

if TYPE_CHECKING:
    from lamella.limits import Limits
    from lamella.protocols.key_provider import ValueKeys
    from lamella.protocols.layer import FactBlock, Layer

__all__ = ["FixedKeys", "layer_context"]


class FixedKeys:
    """Value keys that anyone can compute: the same ones in every run, and none that may guard anything.

    Attributes:
        key_id: The id of the one data key, 8 bytes.
    """

    def __init__(self, name: str = "a data key of tests") -> None:
        """Derive the data key and its id from a name."""
        self._data_key = _derive("data key", name.encode())
        self.key_id = _derive("key id", self._data_key)[:8]
        self._made = count()

    def new_value_key(self, first_segment: bytes | memoryview) -> ValueKey:
        """Make the next key and hedge, and wrap the key."""
        key = _derive("value key", self._data_key + next(self._made).to_bytes(8, "big"))
        hedge = _derive("hedge", next(self._made).to_bytes(8, "big") + first_segment)[:16]
        return ValueKey(self.key_id, aes_key_wrap(self._data_key, key), key, hedge)

    def unwrap(self, key_id: bytes, wrapped_key: bytes) -> bytes:
        """Return the plain key, 32 bytes.

        Raises:
            KeyVersionNotFoundError: The id is not that of the one data key.
            IntegrityError: The wrapped key does not unwrap.
        """
        if key_id != self.key_id:
            raise KeyVersionNotFoundError("no such data key; give the keys that sealed the value", key_id=key_id.hex())
        try:
            return aes_key_unwrap(self._data_key, wrapped_key)
        except (InvalidUnwrap, ValueError):
            raise IntegrityError(key_id=key_id.hex()) from None


def layer_context(
    layer: Layer, keys: ValueKeys | None = None, facts: FactBlock | None = None, limits: Limits = DEFAULT_LIMITS
) -> LayerContext:
    """Make the context in which `layer` encodes a value or, with the facts of its encoding, decodes it.

    Args:
        layer: The layer; its name and version are bound into what it seals.
        keys: Where a seal gets keys from; by default `FixedKeys`.
        facts: What the encoding context holds once encoding has begun.
        limits: The ceilings to hold.
    """

    def bind(bound: FactBlock) -> bytes:
        numbers = (layer.version, bound.position, bound.suite, bound.mode, bound.flags, bound.sealed_at)
        return f"{layer.name} {numbers} ".encode() + bound.hedge

    return LayerContext(0, limits, FixedKeys() if keys is None else keys, bind, facts)


def _derive(label: str, material: bytes) -> bytes:
    return hashlib.sha256(label.encode() + b"\0" + material).digest()
