"""What a comparison found: counts, and some of each with their names; never a value.

Source: docs/airflow.md, "Reconciling".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

__all__ = [
    "BYPASSED",
    "DANGLING",
    "ELSEWHERE",
    "FALLBACK",
    "FINDINGS",
    "FOREIGN",
    "IN_ROW",
    "MISPLACED",
    "ORPHANED",
    "OTHER",
    "UNOPENED",
    "YOUNG",
    "Finding",
    "Report",
]

ORPHANED: Final = "orphaned_objects"
DANGLING: Final = "dangling_refs"
BYPASSED: Final = "bypassed_rows"
FOREIGN: Final = "foreign_refs"
MISPLACED: Final = "misplaced_refs"
UNOPENED: Final = "unopened_objects"
YOUNG: Final = "young_objects"
ELSEWHERE: Final = "objects_elsewhere"
OTHER: Final = "other_objects"
FALLBACK: Final = "fallback_refs"
IN_ROW: Final = "values_in_rows"


class Finding(NamedTuple):
    """One kind of finding.

    Attributes:
        says: What it is.
        is_wrong: Whether somebody has to look at it.
    """

    says: str
    is_wrong: bool = True


FINDINGS: Final[dict[str, Finding]] = {
    ORPHANED: Finding("objects that no row refers to"),
    DANGLING: Finding("rows whose object is gone"),
    BYPASSED: Finding("rows that bypassed the backend"),
    FOREIGN: Finding("rows whose ref is of another keyring or store"),
    MISPLACED: Finding("rows that hold the ref of another row"),
    UNOPENED: Finding("objects without a row that these keys do not open", is_wrong=False),
    YOUNG: Finding("objects without a row, younger than the grace period", is_wrong=False),
    ELSEWHERE: Finding("objects whose row refers to another store", is_wrong=False),
    OTHER: Finding("objects that belong to no task or asset", is_wrong=False),
    FALLBACK: Finding("rows of the fallback backend", is_wrong=False),
    IN_ROW: Finding("rows that hold their value sealed", is_wrong=False),
}
"""By name, in the order in which they are shown."""


@dataclass(slots=True, kw_only=True)
class Report:
    """Counts, and examples up to a number of each.

    Attributes:
        max_examples: Of each finding.
        rows: How many rows were compared.
        objects: How many objects were compared.
        deleted: How many orphaned objects were removed.
        kept: How many were found in use again, or gone, when they were to be removed.
        counts: By finding.
        examples: Names, locators and times, by finding.
        notes: What else there is to know, one sentence each.
    """

    max_examples: int
    rows: int = 0
    objects: int = 0
    deleted: int = 0
    kept: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, found: str, **facts: Any) -> None:  # noqa: ANN401 - any JSON document
        """Count a finding, and keep its facts where there is room."""
        self.counts[found] += 1
        examples = self.examples.setdefault(found, [])
        if len(examples) < self.max_examples:
            examples.append({name: fact for name, fact in facts.items() if fact is not None})

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong, or no longer is."""
        wrong = sum(count for name, count in self.counts.items() if FINDINGS[name].is_wrong)
        return wrong == self.deleted + self.kept

    def as_document(self) -> dict[str, Any]:
        """Return everything as one JSON document."""
        return {
            "clean": self.is_clean,
            "rows": self.rows,
            "objects": self.objects,
            "deleted": self.deleted,
            "kept": self.kept,
            "counts": {name: self.counts[name] for name in FINDINGS},
            "examples": self.examples,
            "notes": self.notes,
        }
