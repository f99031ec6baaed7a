"""One line of the results: what was measured, against what, and whether it meets its goal."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from measure import ratios, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from measure import Label, Samples, Spread

__all__ = ["FERNET", "STRAIGHT", "Goal", "Row", "row_of_times"]

STRAIGHT = "straight line"
FERNET = "Fernet + zlib"


class Goal(NamedTuple):
    """A bound.

    Attributes:
        limit: The largest value that meets it.
        of: The reference of the ratio that it stands on; None for the measured value itself.
        floor: Whether the limit is the smallest value instead.
    """

    limit: float
    of: str | None = STRAIGHT
    floor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line.

    Attributes:
        group: The name of the group of cases.
        what: The operation and its data.
        who: Who did it.
        unit: Of `value`.
        value: The spread of the samples.
        ratios: By reference, the spread of the time relative to it; below 1 is faster.
        goals: What it is to meet.
    """

    group: str
    what: str
    who: str
    unit: str
    value: Spread
    ratios: dict[str, Spread] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether all goals are met; None where there are none."""
        if not self.goals:
            return None
        return all(self._meets(goal) for goal in self.goals)

    @property
    def goal_text(self) -> str:
        """The goals in words."""
        return ", ".join(map(self._in_words, self.goals))

    def record(self) -> dict[str, object]:
        """Return the line as JSON fields."""
        named = {name: each._asdict() for name, each in self.ratios.items()}
        return {
            **asdict(self),
            "value": self.value._asdict(),
            "ratios": named,
            "goals": self.goal_text,
            "met": self.met,
        }

    def _in_words(self, goal: Goal) -> str:
        bound = f"at {'least' if goal.floor else 'most'} {goal.limit:g}"
        return f"{bound} {self.unit}" if goal.of is None else f"{bound}x {goal.of}"

    def _meets(self, goal: Goal) -> bool:
        measured = (self.value if goal.of is None else self.ratios[goal.of]).median
        return measured >= goal.limit if goal.floor else measured <= goal.limit


def row_of_times(  # noqa: PLR0913 - the columns of a line
    group: str, what: str, label: Label, samples: Samples, against: Sequence[str], goals: tuple[Goal, ...] = ()
) -> Row:
    """Make the line of a timed case; a reference is the case of the same operation by that name."""
    own = samples[label]
    references = {name: samples[label[0], name] for name in against if name != label[-1]}
    middle = spread(own).median
    unit, factor = next(((unit, factor) for unit, factor in _UNITS if middle * factor < 1_000), _UNITS[-1])  # noqa: PLR2004 - three digits
    return Row(
        group=group,
        what=what,
        who=label[-1],
        unit=unit,
        value=spread([seconds * factor for seconds in own]),
        ratios={name: ratios(own, other) for name, other in references.items()},
        goals=goals,
    )


_UNITS = (("us", 1e6), ("ms", 1e3), ("s", 1.0))
