"""What became of the rows of a migration, for a person and as JSON.

Source: docs/airflow.md, "Coming from another backend".
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LEFT", "Report"]

_UNTOUCHED: Final = {
    "lamella": "have refs of Lamella's already",
    "plain": "hold their value themselves; --plaintext-rows moves them",
    "inactive": "are of assets that no DAG names any more, which no task can read",
}
LEFT: Final = {
    "changed": "were written or deleted meanwhile; run it again",
    "occupied": "have another value in today's store, newer or without a row; see lamella airflow reconcile",
    "refused": "lead to a place that is not theirs, or not the earlier backend's",
    "missing": "lead to an object that is gone",
    "failed": "have a value that the earlier backend cannot read, or that Lamella cannot keep",
}
"""What a row is that should have been moved and was not."""
_MAX_EXAMPLES: Final = 20


@dataclass(slots=True)
class Report:
    """What became of the rows.

    Attributes:
        applied: They were moved; else they would have been.
        counts: How many are `moved`, how many are left or untouched under the names above, and under `old_kept` for how
            many the earlier backend could not remove what it keeps.
        examples: Of rows that are left, at most 20: why, the names in the address, and the error.
    """

    applied: bool
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, object]] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many rows should have been moved and were not."""
        return sum(self.counts[word] for word in LEFT)

    def leave(self, word: str, names: Mapping[str, object], error: object) -> None:
        """Count a row that is left, by the names in its address."""
        self.counts[word] += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append({"left": word, **names, "error": str(error or LEFT[word])})

    def as_document(self) -> dict[str, Any]:
        """Return it as one JSON document."""
        words = ("moved", *_UNTOUCHED, *LEFT, "old_kept")
        return {"applied": self.applied, **{word: self.counts[word] for word in words}, "examples": self.examples}

    def as_lines(self) -> Iterator[str]:
        """Yield it as lines: counts that are not zero, and the examples."""
        yield f"{'moved' if self.applied else 'would move'} {self.counts['moved']} rows"
        for word, says in {**_UNTOUCHED, **LEFT}.items():
            if self.counts[word]:
                yield f"{word}: {self.counts[word]} rows {says}"
        if self.counts["old_kept"]:
            yield f"the earlier backend could not remove what it keeps of {self.counts['old_kept']} rows; run it again"
        for each in self.examples:
            names = (f"{name}={json.dumps(text)}" for name, text in each.items() if name not in {"left", "error"})
            yield f"  {each['left']}: {' '.join(names)}: {each['error']}"
        if not self.applied and self.counts["moved"]:
            yield "nothing was changed; --apply moves them"
