"""How the contract of a layer encodes and decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamella.limits import SEGMENT_BYTES
from lamella.testing.contexts import layer_context
from lamella.testing.entry_contract import EntryContract

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamella.protocols.key_provider import ValueKeys
    from lamella.protocols.layer import BytesLayer, FactBlock, Payload, Segment

__all__ = ["LayerWays"]

_MAX_DECODED_BYTES = 64 * SEGMENT_BYTES


class LayerWays(EntryContract):
    """The ways of a `BytesLayer`, there and back."""

    @pytest.fixture
    def layer(self) -> BytesLayer:
        """Return the layer under test."""
        raise NotImplementedError("override the `layer` fixture to return the layer under test")

    def decoded_with(self, layer: BytesLayer) -> BytesLayer:
        """Return the layer that decodes; by default the one that the manifest entry of `layer` gives."""
        return type(layer).from_entry(layer.entry())

    def encode(self, layer: BytesLayer, segments: Iterable[Segment]) -> tuple[bytes, FactBlock | None]:
        """Return a payload and the facts of its seal."""
        context = layer_context(layer)
        return b"".join(layer.encode(iter(segments), context)), context.facts

    def decode(
        self,
        layer: BytesLayer,
        segments: Iterable[Segment],
        facts: FactBlock | None,
        keys: ValueKeys | None = None,
    ) -> bytes:
        """Return what `segments` decode to."""
        decoder = self.decoded_with(layer)
        return b"".join(_metered(decoder.decode(iter(segments), layer_context(decoder, keys, facts))))


def _metered(decoding: Payload) -> Payload:
    """Pass segments on, and fail when a small hostile payload decodes to an absurd amount."""
    size = 0
    for segment in decoding:
        size += len(segment)
        assert size <= _MAX_DECODED_BYTES
        yield segment
