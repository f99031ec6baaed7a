"""Payloads, and ways to cut, damage and watch them, the same in every run."""

from __future__ import annotations

import hashlib
import random  # noqa: TID251 - seeded, so that a failure can be repeated
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamella.protocols.layer import Payload, Segment

__all__ = ["SEGMENTATIONS", "cut", "kept", "mutations", "noise", "text"]

_MAX_SINGLE_BYTES = 20_000


@lru_cache(maxsize=64)
def noise(size_bytes: int) -> bytes:
    """Return bytes that do not compress."""
    return hashlib.shake_128(b"noise").digest(size_bytes)


def text(size_bytes: int) -> bytes:
    """Return bytes that compress."""
    line = b'{"dag_id": "daily_load", "run_id": "scheduled__2026-01-01", "cursor": 12345}\n'
    return (line * (size_bytes // len(line) + 1))[:size_bytes]


def cut(payload: bytes, size_bytes: int) -> list[Segment]:
    """Cut a payload into views of one size."""
    view = memoryview(payload)
    return [view[start : start + size_bytes] for start in range(0, len(payload), size_bytes)]


def _with_empty_segments(payload: bytes) -> list[Segment]:
    half = len(payload) // 2
    return [b"", payload[:half], b"", memoryview(b""), payload[half:], b""]


def _byte_by_byte(payload: bytes) -> list[Segment]:
    """Cut off single bytes at both ends, and all of a short payload."""
    if len(payload) <= _MAX_SINGLE_BYTES:
        return cut(payload, 1)
    edge = _MAX_SINGLE_BYTES // 10
    return [*cut(payload[:edge], 1), payload[edge:-edge], *cut(payload[-edge:], 1)]


SEGMENTATIONS: tuple[Callable[[bytes], list[Segment]], ...] = (
    lambda payload: [payload],
    lambda payload: [memoryview(payload)],
    lambda payload: cut(payload, 7919),
    _with_empty_segments,
    _byte_by_byte,
)
"""Ways to hand the same bytes over."""


def mutations(payload: bytes, count: int) -> Iterator[bytes]:
    """Yield `count` damaged forms of a payload, each made by one to four small changes, from a fixed seed."""
    dice = random.Random(hashlib.sha256(payload[:32]).digest())  # noqa: S311 - seeded, not secret
    for _ in range(count):
        damaged = bytearray(payload)
        for _ in range(dice.randint(1, 4)):
            start, end = sorted(dice.choices(range(len(damaged) + 1), k=2))
            end = min(end, start + 64)
            change = dice.randrange(4)
            if change == 0:
                damaged[start:end] = dice.randbytes(end - start)
            elif change == 1:
                del damaged[start:end]
            elif change == 2:
                damaged[start:start] = damaged[dice.randrange(len(damaged) + 1) :][:64]
            else:
                damaged[start : start + 4] = dice.choice([0, 1, 255, 1 << 20, 1 << 31, 2**32 - 1]).to_bytes(4, "big")
        yield bytes(damaged)


def kept(segments: Payload) -> list[Segment]:
    """Return the segments, and fail when one changed after it was handed out."""
    held: list[Segment] = []
    copies: list[bytes] = []
    for segment in segments:
        held.append(segment)
        copies.append(bytes(bytearray(segment)))
    assert held == copies
    return held
