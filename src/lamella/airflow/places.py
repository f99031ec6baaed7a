"""Which refs of an earlier backend may be read: those whose place is the one that its layout gives.

The layout of Airflow's own object-storage backend, each name percent-encoded, with a suffix where it compresses:

```
task   BASE/<dag>/<run>/[region=<uuid>/]<task>/<map index>/<key>
asset  BASE/assets/<name, or else URI>/<key>
```

Source: docs/airflow.md, "Coming from another backend".
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from lamella.errors import MalformedRefError, RefMismatchError
from lamella.scope import AssetScope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamella.state.scopes import StateScope

__all__ = ["Places"]

_LOCAL: Final = ("file://", "local://", "/")
_MAX_LOCAL_NAME_BYTES: Final = 255
_MAX_CHARS: Final = 32 * 1024
"""More than the longest names that Airflow takes have, encoded; a longer text would keep a reader busy."""
_MAX_ENCODINGS: Final = 8
_NO_NAMES: Final = frozenset({"", ".", ".."})
_REGION: Final = re.compile(r"region=[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_INDEX: Final = re.compile(r"-1|0|[1-9][0-9]{0,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one earlier backend.

    Attributes:
        base: What each of its refs begins with, without a final slash; empty where none is known.
        is_laid_out: They are laid out as Airflow's own object-storage backend does.
        suffix: What stands behind a key where it compresses today.
        inferred: The suffixes by which its read takes an object for a compressed one, whatever it does today.
    """

    base: str = field(repr=False)
    is_laid_out: bool
    suffix: str = ""
    inferred: frozenset[str] = frozenset()

    def admit(self, kind: str, ref: str, scopes: Iterable[StateScope] | None, key: str | None = None) -> None:
        """Admit a ref whose place is under the base, and is that of one of these scopes.

        Args:
            kind: `task` or `asset`, by which hook got it.
            ref: What the database holds.
            scopes: Whose place it must be, where that is known; of another layout than Airflow's own it cannot be told.
            key: Its key there, likewise.

        Raises:
            MalformedRefError: It is no canonical place under the base.
            RefMismatchError: It is a place of another kind, scope or key.
        """
        if len(ref) > _MAX_CHARS:
            raise MalformedRefError("this is longer than any ref or place; look for a row that was planted")
        below = ref.removeprefix(f"{self.base}/").split("/")
        named = [segment for segment in below if not (self.is_laid_out and _REGION.fullmatch(segment))]
        if not self.base or not ref.startswith(f"{self.base}/") or not all(map(self._is_name, named)):
            raise MalformedRefError(
                "this is neither a Lamella ref nor a place under the base of fallback_backend; "
                "look for a row that was planted, or set fallback_base"
            )
        if _resolves_elsewhere(ref, self.base):
            raise MalformedRefError("the place leaves the base of fallback_backend by a link; it is not followed")
        if self.is_laid_out and not (_is_shaped(kind, below) and self._is_of(ref, scopes, key)):
            raise RefMismatchError(
                "the place is under the base of fallback_backend but of another task, asset or key than the one "
                "that asks for it; look for a row that was copied or swapped"
            )

    def may_hold(self, scope: StateScope, key: str | None = None) -> bool:
        """Tell whether the backend could have kept anything there: some names it refuses, or the file system does."""
        if not self.is_laid_out:
            return True
        names = [text for _, text in scope.fields()]
        names += [] if key is None else [key]
        if not _NO_NAMES.isdisjoint(names):
            return False
        longest = max(len(quote(name, safe="")) + (len(self.suffix) if name == key else 0) for name in names)
        return longest <= _MAX_LOCAL_NAME_BYTES or not self.base.startswith(_LOCAL)

    def _is_of(self, ref: str, scopes: Iterable[StateScope] | None, key: str | None) -> bool:
        if scopes is None:
            return True
        folder = next((each for each in map(self._folder, scopes) if ref.startswith(each)), None)
        if folder is None or key is None:
            return folder is not None
        # What is read as a compressed object is never that of a key which ends so itself.
        name, suffix = os.path.splitext(ref.removeprefix(folder))  # noqa: PTH122 - as the backend's own read tells it
        return (name if suffix.lower() in self.inferred else name + suffix) == quote(key, safe="")

    def _folder(self, scope: StateScope) -> str:
        """Return the folder of a scope's keys, with a final slash."""
        if isinstance(scope, AssetScope):
            names = ["assets", quote(scope.fields()[0][1], safe="")]
        else:
            task = [quote(name, safe="") for name in (scope.dag_id, scope.run_id, scope.task_id)]
            region = [] if scope.region_id is None else [f"region={scope.region_id}"]
            names = [*task[:2], *region, task[2], str(scope.map_index)]
        return "/".join((self.base, *names, ""))

    def _is_name(self, segment: str) -> bool:
        if self.is_laid_out:
            is_canonical = segment.isascii() and quote(unquote(segment), safe="") == segment
            return is_canonical and segment not in _NO_NAMES
        for _ in range(_MAX_ENCODINGS):
            encoded, segment = segment, unquote(segment)
            if encoded == segment:
                return segment.isprintable() and _NO_NAMES.isdisjoint(re.split(r"[/\\]", segment))
        return False


def _is_shaped(kind: str, below: Sequence[str]) -> bool:
    """Tell whether the names below the base are those of a task's key, or of an asset's."""
    if kind == AssetScope.kind:
        return len(below) == 3 and below[0] == "assets"  # noqa: PLR2004 - as the layout says
    regions = [number for number, segment in enumerate(below) if _REGION.fullmatch(segment)]
    return (len(below), regions) in ((5, []), (6, [2])) and _INDEX.fullmatch(below[-2]) is not None


def _resolves_elsewhere(ref: str, base: str) -> bool:
    """Tell whether a path of this machine leaves its base by a symbolic link."""
    for scheme in _LOCAL:
        if base.startswith(scheme):
            start = 0 if scheme == "/" else len(scheme)
            root = os.path.realpath(base[start:])
            return os.path.commonpath((root, os.path.realpath(ref[start:]))) != root
    return False
