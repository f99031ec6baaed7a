"""The layer contract fails for layers that break it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

import pytest

from lamella.errors import IntegrityError, LimitExceededError
from lamella.protocols.layer import BytesLayer, FactBlock, Role, SplitLayer
from lamella.testing import LayerContract, SplitLayerContract


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain(BytesLayer):
    name: ClassVar[str] = "plain"

    def encode(self, source, context):
        del context
        yield from source

    def decode(self, source, context):
        del context
        yield from source


class Buffering(Plain):
    def encode(self, source, context):
        del context
        yield from list(source)


class Reusing(Plain):
    def encode(self, source, context):
        del context
        buffer = bytearray(2**20)
        for segment in source:
            buffer[: len(segment)] = segment
            yield memoryview(buffer)[: len(segment)]


class Raising(Plain):
    def decode(self, source, context):
        del context
        yield b"".join(source).decode().encode()


class Extensible(Plain):
    def encode(self, source, context):
        del context
        payload = b"".join(source)
        yield len(payload).to_bytes(4, "big") + payload

    def decode(self, source, context):
        del context
        payload = b"".join(source)
        yield payload[4 : 4 + int.from_bytes(payload[:4], "big")]


class SealInName(Plain):
    strength: ClassVar[int] = 200


class LateFacts(Plain):
    strength: ClassVar[int] = 200

    def encode(self, source, context):
        payload = list(source)
        context.facts = FactBlock(0, 1, 0, 0, bytes(8), bytes(40), bytes(16), len(payload))
        yield from payload


class SegmentMinded(Plain):
    def decode(self, source, context):
        del context
        yield next(source, b"")


class Unslotted(Plain):
    pass


class NoEntry(Plain):
    def entry(self):
        return None


class NoLayer(Plain):
    @classmethod
    def from_entry(cls, entry):
        del entry


BROKEN = [
    (Buffering, "test_stream_needs_bounded_memory", {"fill": bytes}),
    (Reusing, "test_handed_out_segments_do_not_change", {}),
    (Raising, "test_only_a_lamella_error_escapes_on_hostile_bytes", {"plain": b"plain" * 60}),
    (Extensible, "test_extension_is_refused", {"plain": b"plain", "extra": b"\0"}),
    (Extensible, "test_every_cut_is_refused", {"plain": b"plain"}),
    (SealInName, "test_every_flipped_bit_is_refused_by_a_seal_and_harmless_elsewhere", {"plain": b"plain"}),
    (SealInName, "test_facts_are_set_from_the_first_segment_alone", {}),
    (LateFacts, "test_facts_are_set_from_the_first_segment_alone", {}),
    (SegmentMinded, "test_decoding_does_not_depend_on_segmentation", {"size": 300}),
    (SegmentMinded, "test_long_payload_comes_back", {"size": 2**20, "fill": bytes}),
    (Unslotted, "test_settings_are_frozen_slotted_and_given_by_name", {}),
    (NoEntry, "test_entry_can_stand_in_a_manifest", {}),
    (NoLayer, "test_layer_built_from_an_entry_has_that_entry", {}),
]


@pytest.mark.parametrize(("layer", "claim", "arguments"), BROKEN, ids=lambda each: getattr(each, "__name__", None))
def test_layer_that_breaks_a_claim_fails_it(layer, claim, arguments):
    with pytest.raises((AssertionError, UnicodeDecodeError, pytest.fail.Exception)):
        getattr(LayerContract(), claim)(layer(), **arguments)


@pytest.mark.parametrize("claim", sorted({claim for _, claim, _ in BROKEN}))
def test_layer_that_does_nothing_keeps_every_such_claim(claim):
    arguments = next(arguments for _, other, arguments in BROKEN if other == claim)
    getattr(LayerContract(), claim)(Plain(), **arguments)


class Inflating(Plain):
    """Run lengths, taken at their word."""

    role: ClassVar[str] = Role.COMPRESS

    def encode(self, source, context):
        del context
        for segment in source:
            for byte, run in groupby(bytes(segment)):
                yield bytes([byte]) + sum(1 for _ in run).to_bytes(4, "big")

    def decode(self, source, context):
        del context
        payload = b"".join(source)
        for start in range(0, len(payload), 5):
            yield payload[start : start + 1] * int.from_bytes(payload[start + 1 : start + 5], "big")


class HeldToTheRatio(Inflating):
    def decode(self, source, context):
        for run in super().decode(source, context):
            if len(run) > 5 * context.limits.max_ratio:
                raise LimitExceededError("above limits.max_ratio")
            yield run


def test_reader_that_ignores_its_max_ratio_is_caught():
    claim = LayerContract().test_reader_holds_what_decompresses_to_its_own_max_ratio
    with pytest.raises(pytest.fail.Exception):
        claim(Inflating())
    claim(HeldToTheRatio())


class Believing(Extensible):
    """Makes room for the length that it reads."""

    def decode(self, source, context):
        del context
        payload = b"".join(source)
        room = bytearray(min(int.from_bytes(payload[:4], "big"), 2**28))
        if len(payload) != 4 + len(room):
            raise IntegrityError
        yield payload[4:]


def test_layer_that_makes_room_for_any_length_is_caught():
    with pytest.raises(AssertionError, match="believes a length"):
        LayerContract().test_only_a_lamella_error_escapes_on_hostile_bytes(Believing(), b"plain" * 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering(SplitLayer):
    name: ClassVar[str] = "gathering"

    part_bytes: int = 2**20

    def split(self, source):
        payload = b"".join(source)
        for start in range(0, len(payload), self.part_bytes):
            yield iter([payload[start : start + self.part_bytes]])


class Uneven(Gathering):
    def split(self, source):
        for segment in source:
            yield iter([segment])


class Superfluous(Gathering):
    def split(self, source):
        yield iter([])
        yield from source


SPLIT_SIZES = {"segment_bytes": 60_000, "whole_parts": 2, "more_bytes": 5}
BROKEN_SPLITS = [
    (Gathering, "test_stream_needs_bounded_memory", {}),
    (Uneven, "test_parts_are_the_payload_in_the_promised_sizes", SPLIT_SIZES),
    (Superfluous, "test_no_source_gives_no_part", {"segments": []}),
]


@pytest.mark.parametrize(
    ("layer", "claim", "arguments"), BROKEN_SPLITS, ids=lambda each: getattr(each, "__name__", None)
)
def test_split_layer_that_breaks_a_claim_fails_it(layer, claim, arguments):
    with pytest.raises(AssertionError):
        getattr(SplitLayerContract(), claim)(layer(), **arguments)


_SHARED = bytearray()


class Sharing(Plain):
    """Keeps a segment where every thread finds it."""

    def decode(self, source, context):
        del context
        for segment in source:
            _SHARED[:] = segment
            for index in range(len(_SHARED)):
                _SHARED[index] ^= 0
            yield bytes(_SHARED)


def test_layer_whose_threads_share_a_buffer_is_caught():
    with pytest.raises((AssertionError, IndexError)):
        LayerContract().test_one_object_serves_many_threads(Sharing())
