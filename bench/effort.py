"""How much a run does."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FULL", "QUICK", "Effort"]


class Effort(NamedTuple):
    """The sizes of a run.

    Attributes:
        rounds: Of values up to M, and of what is as fast.
        large_rounds: Of L, of puts that wait for a disk, and of linearity.
        stream_rounds: Of streams, each case in a process of its own.
        stream_mib: The size of a stream, in MiB.
        start_rounds: Of whole processes.
        objects: How many objects a store holds beforehand.
        durable_values: How many values are put durably in one go.
    """

    rounds: int
    large_rounds: int
    stream_rounds: int
    stream_mib: int
    start_rounds: int
    objects: tuple[int, ...]
    durable_values: int


QUICK = Effort(5, 1, 2, 32, 5, (100, 5_000), 200)
"""About a minute: to see that all of it runs."""

FULL = Effort(31, 11, 7, 256, 21, (100, 10_000, 50_000), 1_000)
"""About a quarter of an hour on two free cores: what is published."""
