"""The seeded data of the benchmarks: the same bytes in every run.

| name | what |
|---|---|
| S | 1,000 dicts, about 230 B of JSON each |
| M | 16 lists of records, about 65 kB of JSON each |
| L | 1 list of 51,652 records, about 16.9 MB of JSON |
| log | JSON log lines of random words and hex ids |
| rand | random bytes |
"""

from __future__ import annotations

import math
import random  # noqa: TID251 - seeded, so that every run measures the same bytes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MIB", "generator", "large", "log_pieces", "medium", "random_pieces", "small"]

MIB = 1024 * 1024
"""The size of a piece of a stream, in bytes."""

_SEED = 20_261_122
_M_RECORDS = 199
_L_RECORDS = 51_652
_EPOCH = 1_790_000_000
_VOCABULARY = 2_000
_SYLLABLES = ("ba", "cor", "del", "fin", "gra", "hol", "in", "jar", "ket", "lum", "mo", "nes", "par", "quo", "ster")
# Few words are frequent, as in real logs.
_WEIGHTS = [1 - math.exp(-0.02 * rank) for rank in range(1, _VOCABULARY + 1)]
_STATUSES = (200, 200, 200, 201, 204, 301, 404, 500)
_LEVELS = ("DEBUG", "INFO", "INFO", "INFO", "WARNING", "ERROR")


def generator(purpose: str) -> random.Random:
    """Return a generator of its own for one purpose, so that no other draws shift its numbers."""
    return random.Random(f"{_SEED}/{purpose}")


def small() -> list[object]:
    """Make S."""
    draw = generator("S")
    words = _words(draw)
    return [
        {
            "job": f"{draw.choice(words)}_{draw.choice(words)}",
            "attempt": draw.randrange(9),
            "cursor": {"offset": draw.randrange(10**9), "etag": _hex(draw, 16), "page": draw.randrange(500)},
            "updated_at": _EPOCH + draw.randrange(10**7) + round(draw.random(), 6),
            "tags": draw.sample(words, 2),
            "note": draw.choice(words),
            "done": draw.random() < 0.5,  # noqa: PLR2004 - an even chance
        }
        for _ in range(1_000)
    ]


def medium() -> list[object]:
    """Make M."""
    draw = generator("M")
    words = _words(draw)
    return [[_record(draw, words) for _ in range(_M_RECORDS)] for _ in range(16)]


def large() -> list[object]:
    """Make L, the one value of a list."""
    draw = generator("L")
    words = _words(draw)
    return [[_record(draw, words) for _ in range(_L_RECORDS)]]


def log_pieces(count: int) -> Iterator[bytes]:
    """Yield `count` pieces of 1 MiB of log lines; lines run on from piece to piece."""
    draw = generator("log")
    words = _words(draw)
    pending = bytearray()
    time = float(_EPOCH)
    for _ in range(count):
        while len(pending) < MIB:
            time += draw.random() / 100
            pending += _line(draw, words, time).encode()
        yield bytes(pending[:MIB])
        del pending[:MIB]


def random_pieces(count: int) -> Iterator[bytes]:
    """Yield `count` pieces of 1 MiB of random bytes."""
    draw = generator("rand")
    for _ in range(count):
        yield draw.randbytes(MIB)


def _words(draw: random.Random) -> list[str]:
    return ["".join(draw.choices(_SYLLABLES, k=draw.randint(1, 4))) for _ in range(_VOCABULARY)]


def _hex(draw: random.Random, size_bytes: int) -> str:
    return f"{draw.getrandbits(8 * size_bytes):0{2 * size_bytes}x}"


def _record(draw: random.Random, words: list[str]) -> dict[str, object]:
    return {
        "id": _hex(draw, 8),
        "time": _EPOCH + draw.randrange(10**7) + round(draw.random(), 3),
        "user": {"name": f"{draw.choice(words)}.{draw.choice(words)}", "age": draw.randrange(18, 90)},
        "values": [round(draw.gauss(100, 15), 3) for _ in range(6)],
        "labels": draw.sample(words, 4),
        "text": " ".join(draw.choices(words, k=8)),
        "active": draw.random() < 0.9,  # noqa: PLR2004 - most are
        "parent": None,
    }


def _line(draw: random.Random, words: list[str], time: float) -> str:
    number = draw.getrandbits(64)
    level, status, duration_ms = _LEVELS[number % 6], _STATUSES[number % 8], number % 997
    message = " ".join(draw.choices(words, cum_weights=_WEIGHTS, k=10))
    return (
        f'{{"time": {time:.6f}, "level": "{level}", "logger": "service.{words[number % 41]}.{words[number % 37]}", '
        f'"request": "{number:016x}", "status": {status}, "duration_ms": {duration_ms}, "message": "{message}"}}\n'
    )
