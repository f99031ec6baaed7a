"""Whether a history of reads and writes of one register is linearizable.

Every write has a value of its own. The operations of one value span a zone, from the first end to the last begin among
them: where the first end comes first, the register held the value for all of the zone, else at one moment in it. A
history is linearizable if and only if no read ends before its write begins, no two held zones overlap, and no zone of
one moment lies inside a held one.

Source: Gibbons and Korach, "Testing Shared Memories", SIAM Journal on Computing 26(4), 1997, section 4.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import NamedTuple

__all__ = ["NEVER", "Operation", "violations"]

NEVER = 2**63 - 1
"""The end of a write of which nobody knows whether it took place."""


class Operation(NamedTuple):
    """A read or a write, from when it was called until it returned, in nanoseconds of the monotonic clock."""

    kind: str
    value: str
    begin: int
    end: int


class _Zone(NamedTuple):
    start: int
    stop: int
    value: str


def violations(history: list[Operation]) -> list[str]:
    """Say what no register could have done; nothing for a linearizable history."""
    writes = {each.value: each for each in history if each.kind == "write"}
    reads = [each for each in history if each.kind == "read"]
    said = [f"{each.value} was read and never written" for each in reads if each.value not in writes]
    reads = [each for each in reads if each.value in writes]
    said += [
        f"{each.value} was read until {each.end}, before its write began at {writes[each.value].begin}"
        for each in reads
        if each.end < writes[each.value].begin
    ]
    held, moments = _zones([*writes.values(), *reads], {each.value for each in reads})
    said += [
        f"{later.value} was written and over {earlier.value}, which was read again after it"
        for earlier, later in pairwise(held)
        if later.start < earlier.stop
    ]
    starts = [zone.start for zone in held]
    for moment in moments:
        around = bisect_left(starts, moment.start) - 1
        if around >= 0 and moment.stop < held[around].stop:
            said.append(f"{held[around].value} was read although {moment.value} had overwritten it before that read")
    return said


def _zones(operations: list[Operation], seen: set[str]) -> tuple[list[_Zone], list[_Zone]]:
    """Return the zones through which a value was held, by their start, and those of one moment."""
    first_end: dict[str, int] = {}
    last_begin: dict[str, int] = {}
    for _, value, begin, end in operations:
        if end < NEVER or value in seen:
            first_end[value] = min(end, first_end.get(value, NEVER))
            last_begin[value] = max(begin, last_begin.get(value, begin))
    held, moments = [], []
    for value, end in first_end.items():
        begin = last_begin[value]
        if end < begin:
            held.append(_Zone(end, begin, value))
        else:
            moments.append(_Zone(begin, end, value))
    return sorted(held), moments
