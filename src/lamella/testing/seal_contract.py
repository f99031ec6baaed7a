"""What a layer with a strength promises beside the rest: that it seals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lamella.errors import IntegrityError
from lamella.limits import SEGMENT_BYTES
from lamella.testing.contexts import FixedKeys, layer_context
from lamella.testing.layer_ways import LayerWays
from lamella.testing.payloads import cut, noise, text

if TYPE_CHECKING:
    from lamella.protocols.layer import BytesLayer

__all__ = ["SealContract"]

_WORD_BYTES = 16
_PIECES = tuple(1 << power for power in range(12, 21))
"""Sizes in which a seal is likely to work through a payload."""


class _WrongKeys(FixedKeys):
    """Unwraps to a key that sealed nothing."""

    def unwrap(self, key_id: bytes, wrapped_key: bytes) -> bytes:
        return super().unwrap(key_id, wrapped_key)[::-1]


class SealContract(LayerWays):
    """Secrecy, key and binding; a layer that does not seal has nothing to prove here."""

    def test_sealed_payload_holds_no_piece_of_what_it_seals(self, layer: BytesLayer) -> None:
        if layer.strength:
            plain = noise(3 * SEGMENT_BYTES)
            sealed, _ = self.encode(layer, [plain])
            assert not any(plain[start : start + _WORD_BYTES] in sealed for start in range(0, len(plain), 65_521))

    def test_equal_parts_of_one_value_are_sealed_unlike(self, layer: BytesLayer) -> None:
        if layer.strength:
            context = layer_context(layer)
            parts = [b"".join(layer.encode(iter([text(4000)]), context)) for _ in range(2)]
            equal = sum(one == other for one, other in zip(*parts, strict=False))
            assert equal < len(parts[0]) // 8, "two parts were sealed under one key and one nonce"

    def test_seal_opens_under_its_own_key_alone(self, layer: BytesLayer) -> None:
        if layer.strength:
            sealed, facts = self.encode(layer, [text(300)])
            with pytest.raises(IntegrityError):
                self.decode(layer, [sealed], facts, _WrongKeys())

    @pytest.mark.parametrize(
        "changed",
        [{"suite": 254}, {"mode": 1}, {"flags": 1}, {"position": 9}, {"hedge": bytes(16)}, {"sealed_at": 1}],
        ids=lambda changed: next(iter(changed)),
    )
    def test_seal_opens_with_its_own_binding_alone(self, layer: BytesLayer, changed: dict[str, Any]) -> None:
        sealed, facts = self.encode(layer, [text(300)])
        if facts is not None:
            with pytest.raises(IntegrityError):
                self.decode(layer, [sealed], facts._replace(**changed))

    @pytest.mark.parametrize("piece_bytes", _PIECES)
    def test_pieces_that_are_cut_off_dropped_doubled_or_swapped_are_refused(
        self, layer: BytesLayer, piece_bytes: int
    ) -> None:
        if layer.strength:
            one, two, three = (len(self.encode(layer, [noise(count * piece_bytes)])[0]) for count in (1, 2, 3))
            sealed, facts = self.encode(layer, cut(noise(3 * piece_bytes + 5), 65_536))
            start, first, second, rest = sealed[:one], sealed[one:two], sealed[two:three], sealed[three:]
            for damaged in (
                start,
                start + first + second,
                start + second + rest,
                start + first + first + second + rest,
                start + second + first + rest,
            ):
                with pytest.raises(IntegrityError):
                    self.decode(layer, cut(damaged, SEGMENT_BYTES), facts)
