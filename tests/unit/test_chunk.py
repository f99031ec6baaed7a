"""The chunk layer: its setting, and parts that are taken in order."""

from __future__ import annotations

import pytest

from lamella.errors import ConfigError
from lamella_layers.chunk.fixed import Chunk

PART = 64 * 1024


@pytest.mark.parametrize("part_bytes", [0, PART - 1, 2**30 + 1, -1, True, 1e6, "1048576", None])
def test_part_size_out_of_range_is_refused_when_built(part_bytes):
    with pytest.raises(ConfigError, match="part_bytes must be a whole number") as refused:
        Chunk(part_bytes=part_bytes)
    assert refused.value.layer == "chunk"


@pytest.mark.parametrize("part_bytes", [PART, 2**30])
def test_part_size_at_the_ends_of_the_range_is_taken(part_bytes):
    assert Chunk(part_bytes=part_bytes).part_bytes == part_bytes


def test_part_size_is_no_part_of_the_manifest():
    assert Chunk(part_bytes=PART).entry() == Chunk().entry()


def test_parts_are_views_of_the_source():
    source = bytes(3 * PART)
    pieces = [piece for part in Chunk(part_bytes=PART).split(iter([source])) for piece in part]
    assert [piece.obj is source for piece in pieces] == [True] * 3


@pytest.mark.parametrize("taken", [0, 1])
def test_next_part_before_this_one_is_used_up_is_refused(taken):
    segments = [bytes(PART // 2)] * 5
    parts = Chunk(part_bytes=PART).split(iter(segments))
    part = next(parts)
    for _ in range(taken):
        next(part)
    with pytest.raises(RuntimeError, match="take all bytes of a part"):
        next(parts)


def test_part_whose_bytes_are_all_taken_counts_as_used_up():
    parts = Chunk(part_bytes=PART).split(iter([bytes(PART), b"end"]))
    first = next(parts)
    assert len(next(first)) == PART
    second = next(parts)
    assert list(first) == []
    assert b"".join(second) == b"end"
    assert list(parts) == []


def test_used_up_part_pulls_no_more_of_the_source():
    def source():
        yield bytes(PART)
        pytest.fail("the part pulled what is not its own")

    part = next(Chunk(part_bytes=PART).split(source()))
    assert len(b"".join(part)) == PART
