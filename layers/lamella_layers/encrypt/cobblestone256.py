"""The cobblestone256 layer: seals a payload with Cobblestone-256, a committing, streaming AEAD.

Source: README.md in this folder, "cobblestone256 version 1"; C2SP chunked-encryption@v1.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from cryptography.exceptions import InvalidTag

from lamella.errors import IntegrityError
from lamella.protocols.layer import BytesLayer, FactBlock, Role
from lamella_layers.segments import SMALL_BYTES, pieces

try:
    from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
except ImportError:
    from lamella_layers.encrypt.cobblestone_fallback import (  # type: ignore[assignment]  # The same two, by interface.
        Cobblestone256Decryptor,
        Cobblestone256Encryptor,
    )

if TYPE_CHECKING:
    from lamella.protocols.layer import LayerContext, Payload, Segment

__all__ = ["Cobblestone256"]

_SUITE = 1
_MODE_VALUE_KEY = 0
_NO_FLAGS = 0
_KIND = (_SUITE, _MODE_VALUE_KEY, _NO_FLAGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cobblestone256(BytesLayer):
    """Seals under a key of the value's own; the binding is authenticated as Cobblestone's context."""

    name: ClassVar[str] = "cobblestone256"
    role: ClassVar[str] = Role.ENCRYPT
    strength: ClassVar[int] = 200

    def encode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield the sealed payload; a small one is one segment."""
        plain = pieces(source)
        first = next(plain, b"")
        encryptor = _encryptor(first, context)
        sealed = b""
        for piece in chain((first,), plain):
            if sealed:
                yield sealed
            sealed = encryptor.update(piece)
        if len(sealed) < SMALL_BYTES:
            yield sealed + encryptor.finalize()
        else:
            yield sealed
            yield encryptor.finalize()

    def decode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield what verified; the payload is whole only when this ends without an error.

        Raises:
            IntegrityError: The payload, its binding or its facts are not what was sealed.
            KeyVersionNotFoundError: The data key that the facts name is unknown.
        """
        decryptor = _decryptor(context)
        try:
            for piece in pieces(source):
                plain = decryptor.update(piece)
                if plain:
                    yield plain
            plain = decryptor.finalize()
        except InvalidTag:
            raise IntegrityError(layer=self.name) from None
        if plain:
            yield plain

    def encode_whole(self, payload: Segment, context: LayerContext) -> bytes:
        """Return a small payload, sealed."""
        encryptor = _encryptor(payload, context)
        return encryptor.update(payload) + encryptor.finalize()

    def decode_whole(self, payload: Segment, context: LayerContext) -> bytes:
        """Return a small payload, verified to its end; raises as `decode`."""
        decryptor = _decryptor(context)
        try:
            return decryptor.update(payload) + decryptor.finalize()
        except InvalidTag:
            raise IntegrityError(layer=self.name) from None


def _encryptor(first: Segment, context: LayerContext) -> Cobblestone256Encryptor:
    """Start a seal, under the key of the value's other parts or one of its own."""
    facts = context.facts
    if facts is None:
        key_id, wrapped_key, context.key, hedge = context.keys.new_value_key(first)
        sealed_at = max(0, time.time_ns() // 1_000_000)  # A clock before 1970 must not fail a write.
        facts = FactBlock(context.position, _SUITE, _MODE_VALUE_KEY, _NO_FLAGS, key_id, wrapped_key, hedge, sealed_at)
        context.facts = facts
    return Cobblestone256Encryptor(context.key or _unwrapped(facts, context), context.bind(facts))


def _decryptor(context: LayerContext) -> Cobblestone256Decryptor:
    facts = context.facts
    if facts is None or facts[1:4] != _KIND:
        raise IntegrityError(layer=Cobblestone256.name)
    return Cobblestone256Decryptor(context.key or _unwrapped(facts, context), context.bind(facts))


def _unwrapped(facts: FactBlock, context: LayerContext) -> bytes:
    """Return the plain key behind the facts, and keep it for the other parts of the value."""
    context.key = key = context.keys.unwrap(facts.key_id, facts.wrapped_key)
    return key
