"""The contract of a layer that turns bytes into bytes, as a pytest class to inherit.

Example:
    class TestMyLayer(LayerContract):
        @pytest.fixture
        def layer(self):
            return MyLayer()
"""

from __future__ import annotations

import tracemalloc
from contextlib import nullcontext, suppress
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from lamella.errors import IntegrityError, LamellaError, LimitExceededError
from lamella.limits import SEGMENT_BYTES, Limits
from lamella.protocols.layer import Role
from lamella.testing.contexts import FixedKeys, layer_context
from lamella.testing.payloads import SEGMENTATIONS, cut, kept, mutations, noise, text
from lamella.testing.seal_contract import SealContract
from lamella.testing.threads import together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamella.protocols.layer import BytesLayer, FactBlock

__all__ = ["LayerContract"]

_SIZES = (0, 1, 2, 200, 255, 256, 257, 16_383, 16_384, 16_385, 65_535, 65_536, 262_144)
_LONG_SIZES = (SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES)
_STREAM_SEGMENTS = 64
_MAX_PEAK_BYTES = 16 * SEGMENT_BYTES
_MAX_HOSTILE_BYTES = 128 * SEGMENT_BYTES


class LayerContract(SealContract):
    """What every `BytesLayer` promises; inherit it and give a `layer` fixture."""

    def decode_both_ways(self, layer: BytesLayer, payload: bytes, facts: FactBlock | None) -> bytes:
        """Return what a payload decodes to, and demand that stream and whole agree on it, or both refuse it."""
        decoder = self.decoded_with(layer)
        context = layer_context(decoder, facts=facts)
        try:
            streamed = self.decode(layer, cut(payload, 1000), facts)
        except LamellaError:
            with pytest.raises(IntegrityError if layer.strength else LamellaError):
                decoder.decode_whole(payload, context)
            raise
        assert decoder.decode_whole(payload, context) == streamed
        return streamed

    def assert_refused(self, layer: BytesLayer, payload: bytes, facts: FactBlock | None) -> None:
        """Demand that a seal refuses `payload`, and any other layer unless it is what that layer writes."""
        if layer.strength:
            with pytest.raises(IntegrityError):
                self.decode_both_ways(layer, payload, facts)
            return
        try:
            plain = self.decode_both_ways(layer, payload, facts)
        except LamellaError:
            return
        assert self.encode(layer, [plain])[0] == payload

    @pytest.mark.parametrize("size", _SIZES)
    @pytest.mark.parametrize("fill", [text, noise])
    def test_short_payload_comes_back(self, layer: BytesLayer, fill: Callable[[int], bytes], size: int) -> None:
        plain = fill(size)
        for segments in (segmentation(plain) for segmentation in SEGMENTATIONS):
            encoded, facts = self.encode(layer, segments)
            assert self.decode(layer, [encoded], facts) == plain

    @pytest.mark.parametrize("size", _LONG_SIZES)
    @pytest.mark.parametrize("fill", [text, noise])
    def test_long_payload_comes_back(self, layer: BytesLayer, fill: Callable[[int], bytes], size: int) -> None:
        plain = fill(size)
        for segments in ([plain], cut(plain, SEGMENT_BYTES), cut(plain, 7919)):
            encoded, facts = self.encode(layer, segments)
            assert self.decode(layer, cut(encoded, 65_521), facts) == plain

    @pytest.mark.parametrize("size", [0, 1, 300, 40_000])
    def test_decoding_does_not_depend_on_segmentation(self, layer: BytesLayer, size: int) -> None:
        for plain in (text(size), noise(size)):
            encoded, facts = self.encode(layer, cut(plain, 7919))
            for segmentation in SEGMENTATIONS:
                assert self.decode(layer, segmentation(encoded), facts) == plain

    @pytest.mark.parametrize("size", [0, 1, 200, 40_000])
    def test_whole_payload_and_stream_are_the_same_format(self, layer: BytesLayer, size: int) -> None:
        decoder = self.decoded_with(layer)
        for plain in (text(size), noise(size)):
            context = layer_context(layer)
            encoded = layer.encode_whole(plain, context)
            assert self.decode(layer, [encoded], context.facts) == plain
            streamed, facts = self.encode(layer, cut(plain, 7919))
            assert decoder.decode_whole(streamed, layer_context(decoder, facts=facts)) == plain

    def test_whole_payload_that_grows_above_the_limit_is_refused(self, layer: BytesLayer) -> None:
        decoder = self.decoded_with(layer)
        plain = text(3000)
        encoded, facts = self.encode(layer, [plain])
        for max_value_bytes in (2999, 3000):
            context = layer_context(decoder, facts=facts, limits=Limits(max_value_bytes=max_value_bytes))
            refused = max_value_bytes < len(plain) > len(encoded)
            with pytest.raises(LimitExceededError) if refused else nullcontext():
                assert decoder.decode_whole(encoded, context) == plain

    def test_reader_holds_what_decompresses_to_its_own_max_ratio(self, layer: BytesLayer) -> None:
        if layer.role == Role.COMPRESS:
            encoded, facts = self.encode(layer, [bytes(SEGMENT_BYTES)])
            assert len(encoded) < SEGMENT_BYTES // 8, "zeros hardly shrink: this layer has another role"
            decoder = self.decoded_with(layer)
            context = layer_context(decoder, facts=facts, limits=Limits(max_ratio=2))
            for decode in (decoder.decode_whole, lambda payload, seat: list(decoder.decode(iter([payload]), seat))):
                with pytest.raises(LimitExceededError):
                    decode(encoded, context)

    def test_no_segment_at_all_is_the_empty_payload(self, layer: BytesLayer) -> None:
        encoded, facts = self.encode(layer, [])
        assert self.decode(layer, [encoded], facts) == b""

    def test_facts_are_set_from_the_first_segment_alone(self, layer: BytesLayer) -> None:
        context = layer_context(layer)
        seen: list[FactBlock | None] = []

        def source() -> Iterator[bytes]:
            for number in range(4):
                if number:
                    seen.append(context.facts)
                yield text(SEGMENT_BYTES)

        encoding = layer.encode(source(), context)
        next(encoding)
        seen.append(context.facts)
        seen.extend(context.facts for _ in encoding)
        assert all(facts == context.facts for facts in seen)
        assert (context.facts is not None) == (layer.strength > 0)

    def test_parts_of_one_value_share_its_facts(self, layer: BytesLayer) -> None:
        context = layer_context(layer)
        first = b"".join(layer.encode(iter([text(300)]), context))
        facts, context.key = context.facts, None
        second = b"".join(layer.encode(iter([noise(300)]), context))
        assert context.facts == facts
        assert self.decode(layer, [first], facts) == text(300)
        assert self.decode(layer, [second], facts) == noise(300)

    @pytest.mark.parametrize("plain", [b"", text(40), noise(300), text(2000)], ids=len)
    def test_every_cut_is_refused(self, layer: BytesLayer, plain: bytes) -> None:
        encoded, facts = self.encode(layer, [plain])
        for size in range(len(encoded)):
            self.assert_refused(layer, encoded[:size], facts)

    @pytest.mark.parametrize("plain", [b"", text(40), noise(300), text(2000)], ids=len)
    @pytest.mark.parametrize("extra", [b"\0", b"\0" * 4, b"\x01", noise(300)], ids=len)
    def test_extension_is_refused(self, layer: BytesLayer, plain: bytes, extra: bytes) -> None:
        encoded, facts = self.encode(layer, [plain])
        self.assert_refused(layer, encoded + extra, facts)

    @pytest.mark.parametrize("plain", [b"", text(40), noise(300)], ids=len)
    def test_every_flipped_bit_is_refused_by_a_seal_and_harmless_elsewhere(
        self, layer: BytesLayer, plain: bytes
    ) -> None:
        encoded, facts = self.encode(layer, [plain])
        for bit in range(8 * len(encoded)):
            flipped = bytearray(encoded)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(IntegrityError) if layer.strength else suppress(LamellaError):
                self.decode_both_ways(layer, bytes(flipped), facts)

    @pytest.mark.parametrize("plain", [b"", text(300), noise(300), text(70_000)], ids=len)
    def test_only_a_lamella_error_escapes_on_hostile_bytes(self, layer: BytesLayer, plain: bytes) -> None:
        encoded, facts = self.encode(layer, [plain])
        tracemalloc.start()
        try:
            for hostile in mutations(encoded, 1000):
                with suppress(LamellaError):
                    self.decode_both_ways(layer, hostile, facts)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < _MAX_HOSTILE_BYTES, "the layer believes a length before it has seen the bytes"

    @pytest.mark.parametrize("fill", [bytes, noise])
    def test_stream_needs_bounded_memory(self, layer: BytesLayer, fill: Callable[[int], bytes]) -> None:
        fill(SEGMENT_BYTES)  # What is made once is no part of the peak.
        context = layer_context(layer)
        source = (bytes(bytearray(fill(SEGMENT_BYTES))) for _ in range(_STREAM_SEGMENTS))
        tracemalloc.start()
        try:
            encoding = layer.encode(source, context)
            first = next(encoding)
            decoder = self.decoded_with(layer)
            decoding = decoder.decode(chain([first], encoding), layer_context(decoder, facts=context.facts))
            size = sum(map(len, decoding))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size == _STREAM_SEGMENTS * SEGMENT_BYTES
        assert peak_bytes < _MAX_PEAK_BYTES

    def test_handed_out_segments_do_not_change(self, layer: BytesLayer) -> None:
        plain = noise(SEGMENT_BYTES) + text(2 * SEGMENT_BYTES)
        for size in (7919, SEGMENT_BYTES):
            context = layer_context(layer)
            encoded = kept(layer.encode(iter(cut(plain, size)), context))
            decoder = self.decoded_with(layer)
            decoding = decoder.decode(iter(encoded), layer_context(decoder, facts=context.facts))
            assert b"".join(kept(decoding)) == plain

    def test_one_object_serves_many_threads(self, layer: BytesLayer) -> None:
        keys = FixedKeys()
        decoder = self.decoded_with(layer)

        def round_trips(number: int) -> bool:
            plain = text(9000 + number) + noise(500 + number)
            for _ in range(25):
                context = layer_context(layer, keys)
                encoded = list(layer.encode(iter(cut(plain, 4096)), context))
                reading = layer_context(decoder, keys, context.facts)
                if b"".join(decoder.decode(iter(encoded), reading)) != plain:
                    return False
            return True

        assert all(together([partial(round_trips, number) for number in range(8)]))
