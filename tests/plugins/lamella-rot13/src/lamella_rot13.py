"""A toy layer, installed by the tests as another distribution. It hides nothing and protects nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lamella.protocols.layer import BytesLayer

if TYPE_CHECKING:
    from lamella.protocols.layer import LayerContext, Payload

__all__ = ["Rot13"]

_FORWARD = bytes((byte + 13) % 256 for byte in range(256))
_BACK = bytes((byte - 13) % 256 for byte in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rot13(BytesLayer):
    """Adds 13 to every byte. Its strength is 0: a stack that demands a seal is not content with it."""

    name: ClassVar[str] = "rot13"

    def encode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield every byte plus 13, modulo 256."""
        del context
        for segment in source:
            yield bytes(segment).translate(_FORWARD)

    def decode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield every byte minus 13, modulo 256; there is nothing to verify."""
        del context
        for segment in source:
            yield bytes(segment).translate(_BACK)
