"""Whether a value is JSON as it stands, so that the fast encoder writes what `json.dumps` would."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from lamella.errors import LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lamella.limits import Limits

__all__ = ["is_plain"]

_KEYS: Final = frozenset({str})
_ARRAYS: Final = frozenset({list, tuple})
_DICTS: Final = frozenset({dict})
_FLOATS: Final = frozenset({float})
_CONTAINERS: Final = _ARRAYS | _DICTS
_PLAIN: Final = _CONTAINERS | _FLOATS | {str, int, bool, type(None)}

_MANY: Final = 16
"""From how many nodes, or containers, on it pays to look at all at once."""

_ROWS: Final = 256
"""How many records are open at once: more new objects would set the garbage collector going."""

_Groups = list[list[Any]]
"""The containers of one level of nesting, together as they were found: mostly of one kind, and of one length."""


def is_plain(value: object, limits: Limits) -> bool:
    """Tell whether only exact JSON types and finite floats occur: level by level, since recursion has its limit.

    Raises:
        LimitExceededError: The value is nested too deeply, or too large to be written within the limits.
    """
    level: _Groups = [[(value,)]]
    depth = count = 0
    while level:
        below: _Groups = []
        for group in level:
            if len(group) >= _MANY:
                if not _look_by_column(group, below):
                    return False
                continue
            for row in group:
                if not (_look_at_each(row, below) if len(row) < _MANY else _look_at_all(row, below)):
                    return False
        if below:
            if depth == limits.max_nesting:
                raise LimitExceededError(
                    f"the value is nested deeper than limits.max_nesting, {depth}, or contains itself; flatten it"
                )
            # A shared container counts as often as it would be written, two bytes a node at least.
            for group in below:
                count += sum(map(len, group))
            limits.check_value(2 * count)
        depth += 1
        level = below
    return True


def _look_by_column(rows: list[Any], below: _Groups) -> bool:
    """Look into many containers, column by column if they are records: those mostly are of one type each."""
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        kinds = set(map(type, some))
        if len(kinds) > 1 or len(set(map(len, some))) > 1:
            columns: Iterable[Collection[Any]] = some
        elif kinds != _DICTS:
            columns = zip(*some, strict=True)
        elif _KEYS.issuperset(map(type, chain.from_iterable(some))):
            columns = zip(*map(dict.values, some), strict=True)
        else:
            return False
        if not all(_look_at_all(column, below) for column in columns):
            return False
    return True


def _look_at_each(nodes: Collection[Any], below: _Groups) -> bool:
    """Look at few nodes one by one, and leave the containers among them for the next level."""
    if type(nodes) is dict:
        for key in nodes:
            if type(key) is not str:
                return False
        nodes = nodes.values()
    found = []
    for node in nodes:
        kind = type(node)
        if kind in _CONTAINERS:
            found.append(node)
        elif kind not in _PLAIN or (kind is float and not math.isfinite(node)):
            return False
    if found:
        below.append(found)
    return True


def _look_at_all(nodes: Collection[Any], below: _Groups) -> bool:
    """Do what `_look_at_each` does, in C loops."""
    if type(nodes) is dict:
        if not _KEYS.issuperset(map(type, nodes)):
            return False
        nodes = nodes.values()
    kinds = set(map(type, nodes))
    if not kinds <= _PLAIN or (float in kinds and not _are_finite(_of(nodes, kinds, _FLOATS))):
        return False
    if not kinds.isdisjoint(_CONTAINERS):
        below.append([*_of(nodes, kinds, _CONTAINERS)])
    return True


def _of(nodes: Collection[Any], kinds: set[type], wanted: frozenset[type]) -> Collection[Any]:
    """Return the nodes of the wanted types, without looking at each where all of them are."""
    return nodes if kinds <= wanted else [node for node in nodes if type(node) in wanted]


def _are_finite(floats: Collection[float]) -> bool:
    """Tell whether all are finite: surely where their sum is."""
    return math.isfinite(sum(floats)) or all(map(math.isfinite, floats))
