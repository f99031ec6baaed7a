"""Samples in interleaved rounds, and what is made of them.

The same code drifts by up to 1.6x over minutes on a shared machine. So every round takes one sample of every case, in a
new order, and two cases are compared within one round only.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from data import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Case", "Label", "Samples", "Spread", "differences", "interleave", "ratios", "spread"]

_SAMPLE_SECONDS = 0.040

Label = tuple[str, str]
"""What a case is called: the operation, then who does it."""

Samples = dict[Label, list[float]]
"""Seconds of one operation, a sample a round."""


@dataclass(frozen=True, slots=True)
class Case:
    """Something to time.

    Attributes:
        label: What it is called.
        run: Does it.
        operations: How many operations one call of `run` does.
    """

    label: Label
    run: Callable[[], object]
    operations: int = 1


class Spread(NamedTuple):
    """The middle of some samples, and the values that a tenth of them lie below and above."""

    median: float
    p10: float
    p90: float


def interleave(cases: Iterable[Case], rounds: int) -> Samples:
    """Take one sample of every case in each round, each looped to 40 ms at least, after one call to warm up."""
    loops = {case: _loops(case) for case in cases}
    samples: Samples = {case.label: [] for case in loops}
    draw = generator("order")
    for _ in range(rounds):
        for case in draw.sample(list(loops), len(loops)):
            samples[case.label].append(_sample(case, loops[case]))
    return samples


def spread(samples: Sequence[float]) -> Spread:
    """Return the median, the 10th and the 90th percentile, interpolated."""
    if len(samples) == 1:
        return Spread(samples[0], samples[0], samples[0])
    tenths = statistics.quantiles(samples, n=10, method="inclusive")
    return Spread(statistics.median(samples), tenths[0], tenths[-1])


def ratios(samples: Sequence[float], reference: Sequence[float]) -> Spread:
    """Divide round by round; above 1 is slower than the reference."""
    return spread([one / other for one, other in zip(samples, reference, strict=True)])


def differences(samples: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Subtract round by round."""
    return [one - other for one, other in zip(samples, reference, strict=True)]


def _loops(case: Case) -> int:
    """Warm a case up, and tell how often it must run to fill a sample."""
    seconds = _sample(case, 1) * case.operations
    if seconds > _SAMPLE_SECONDS:
        return 1
    return math.ceil(_SAMPLE_SECONDS / (_sample(case, 1) * case.operations))


def _sample(case: Case, loops: int) -> float:
    """Return the seconds of one operation; the garbage of the case before is not billed to this one."""
    gc.collect()
    start = time.perf_counter()
    for _ in range(loops):
        case.run()
    return (time.perf_counter() - start) / loops / case.operations
