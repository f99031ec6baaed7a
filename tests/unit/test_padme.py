"""The padme layer: the sizes that it gives, and what it refuses."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import IntegrityError
from lamella.limits import SEGMENT_BYTES
from lamella.testing import layer_context
from lamella_layers.pad.padme import Padme, _padded_bytes

PADME = Padme()


def encoded(*segments):
    return b"".join(PADME.encode(iter(segments), layer_context(PADME)))


def decoded(*segments):
    return b"".join(PADME.decode(iter(segments), layer_context(PADME)))


def padded_size_by_search(size):
    """Find the next size whose binary digits fit the paper's bound: floor(log2 E) + 1 digits after the leading one."""
    candidate = max(size, 256)
    while True:
        exponent = len(f"{candidate:b}") - 1
        digits_kept = len(f"{exponent:b}")
        if "1" not in f"{candidate:b}"[1 + digits_kept :]:
            return candidate
        candidate += 1


def test_padded_sizes_are_those_of_the_paper():
    for size in [*range(5000), *range(2**15 - 300, 2**15 + 300), *range(2**20 - 50, 2**20 + 50)]:
        assert _padded_bytes(size) == padded_size_by_search(size)


@given(st.integers(min_value=256, max_value=2**62))
def test_padding_is_stable_and_costs_twelve_percent_at_most(size):
    padded = _padded_bytes(size)
    assert size <= padded
    assert (padded - size) * 100 <= size * 12
    assert _padded_bytes(padded) == padded


@given(st.integers(min_value=0, max_value=2**50), st.integers(min_value=0, max_value=2**50))
def test_longer_payload_is_never_padded_to_less(one, other):
    assert _padded_bytes(min(one, other)) <= _padded_bytes(max(one, other))


def test_lengths_up_to_a_mebibyte_fall_into_few_sizes():
    distinct = {_padded_bytes(size) for size in range(0, 2**20, 7)}
    assert len(distinct) <= 256 * math.log2(math.log2(2**20))


@pytest.mark.parametrize("size", [0, 1, 100, 248])
def test_short_payloads_all_have_the_floor_size(size):
    assert len(encoded(bytes(size))) == 256


@given(st.lists(st.binary(max_size=600), max_size=6), st.integers(min_value=1, max_value=700))
def test_segments_come_back(segments, cut_bytes):
    payload = encoded(*segments)
    assert len(payload) == padded_size_by_search(4 + sum(4 + len(each) for each in segments if each))
    assert decoded(*(payload[at : at + cut_bytes] for at in range(0, len(payload), cut_bytes))) == b"".join(segments)


@pytest.mark.parametrize("size", [0, 200, 60_000])
def test_small_payload_is_one_segment(size):
    assert len(list(PADME.encode(iter([bytes(size)]), layer_context(PADME)))) == 1


def test_long_padding_comes_in_segments():
    source = [b"x" * SEGMENT_BYTES] * 33
    segments = list(PADME.encode(iter(source), layer_context(PADME)))
    padding = segments[segments.index(b"\0" * 4) + 1 :]
    assert len(padding) >= 1
    assert max(map(len, segments)) <= SEGMENT_BYTES
    assert sum(map(len, segments)) == padded_size_by_search(4 + 33 * (4 + SEGMENT_BYTES))
    assert decoded(*segments) == b"".join(source)


def test_segment_longer_than_a_run_is_cut():
    segment = b"x" * (SEGMENT_BYTES + 1)
    segments = list(PADME.encode(iter([segment]), layer_context(PADME)))
    assert max(map(len, segments)) <= SEGMENT_BYTES
    assert decoded(*segments) == segment


def test_any_padding_byte_that_is_not_zero_is_refused():
    payload = encoded(b"x" * 100)
    for position in range(108, len(payload)):
        altered = bytearray(payload)
        altered[position] = 1
        with pytest.raises(IntegrityError) as refused:
            decoded(bytes(altered))
        assert refused.value.layer == "padme"


def test_run_longer_than_its_word_may_say_is_refused():
    with pytest.raises(IntegrityError):
        decoded((2**31).to_bytes(4, "big") + bytes(300))


def test_long_run_is_passed_on_as_it_comes():
    run_bytes = 2**31 - 1
    word = run_bytes.to_bytes(4, "big")
    decoding = PADME.decode(iter([word, b"first", b"second"]), layer_context(PADME))
    assert next(decoding) == b"first"
    assert next(decoding) == b"second"
    with pytest.raises(IntegrityError):
        next(decoding)
