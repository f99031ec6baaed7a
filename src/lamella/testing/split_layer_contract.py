"""The contract of a layer that splits, as a pytest class to inherit."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from lamella.limits import SEGMENT_BYTES
from lamella.testing.entry_contract import EntryContract
from lamella.testing.payloads import cut, noise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamella.protocols.layer import SplitLayer

__all__ = ["SplitLayerContract"]

_SEGMENT_BYTES = 60_000


class SplitLayerContract(EntryContract):
    """What every `SplitLayer` promises; inherit it and give a `layer` fixture."""

    @pytest.fixture
    def layer(self) -> SplitLayer:
        """Return the layer under test."""
        raise NotImplementedError("override the `layer` fixture to return the layer under test")

    @pytest.mark.parametrize("segment_bytes", [_SEGMENT_BYTES, 3 * SEGMENT_BYTES])
    @pytest.mark.parametrize(("whole_parts", "more_bytes"), [(0, 1), (1, -1), (1, 0), (1, 1), (2, 0), (2, 5)])
    def test_parts_are_the_payload_in_the_promised_sizes(
        self, layer: SplitLayer, segment_bytes: int, whole_parts: int, more_bytes: int
    ) -> None:
        payload = noise(whole_parts * layer.part_bytes + more_bytes)
        segments = [b"", *cut(payload, segment_bytes), b""]
        parts = [b"".join(part) for part in layer.split(iter(segments))]
        assert b"".join(parts) == payload
        assert all(len(part) == layer.part_bytes for part in parts[:-1])
        assert 0 < len(parts[-1]) <= layer.part_bytes

    @pytest.mark.parametrize("segments", [[], [b""], [b"", memoryview(b"")]], ids=len)
    def test_no_source_gives_no_part(self, layer: SplitLayer, segments: list[bytes]) -> None:
        assert list(layer.split(iter(segments))) == []

    def test_parts_are_taken_lazily(self, layer: SplitLayer) -> None:
        pulled_bytes = 0

        def source() -> Iterator[bytes]:
            nonlocal pulled_bytes
            while True:
                pulled_bytes += SEGMENT_BYTES
                yield bytes(SEGMENT_BYTES)

        parts = layer.split(source())
        for number in range(3):
            part = next(parts)
            assert pulled_bytes <= number * layer.part_bytes + 2 * SEGMENT_BYTES
            for taken in part:
                assert len(taken) <= SEGMENT_BYTES
            assert pulled_bytes <= (number + 1) * layer.part_bytes + SEGMENT_BYTES

    def test_stream_needs_bounded_memory(self, layer: SplitLayer) -> None:
        total_bytes = 64 * SEGMENT_BYTES
        tracemalloc.start()
        try:
            source = (bytes(SEGMENT_BYTES) for _ in range(64))
            size = sum(len(segment) for part in layer.split(source) for segment in part)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size == total_bytes
        assert peak_bytes < 16 * SEGMENT_BYTES
