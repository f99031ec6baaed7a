"""Whether a value is JSON as it stands, so that the fast encoder writes what `json.dumps` would."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from lamella.errors import LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lamella.limits import Limits

__all__ = ["is_plain"]

_KEYS: Final = frozenset({str})
_ARRAYS: Final = frozenset({list, tuple})
_DICTS: Final = frozenset({dict})
_FLOATS: Final = frozenset({float})
_CONTAINERS: Final = _ARRAYS | _DICTS
_PLAIN: Final = _CONTAINERS | _FLOATS | {str, int, bool, type(None)}

_MANY_NODES: Final = 16
"""From how many nodes on it pays to look at their types all at once."""

_ROWS: Final = 256
"""How many records are open at once: more new objects would set the garbage collector going."""

_Level = list["Collection[Any]"]


def is_plain(value: object, limits: Limits) -> bool:
    """Tell whether only exact JSON types and finite floats occur: level by level, since recursion has its limit.

    Raises:
        LimitExceededError: The value is nested too deeply, or too large to be written within the limits.
    """
    level: _Level = [(value,)]
    depth = count = 0
    while level:
        below: _Level = []
        for opened in level:
            look = _look_at_each if len(opened) < _MANY_NODES else _look_at_all
            if not look(opened, below):
                return False
        if below:
            if depth == limits.max_nesting:
                raise LimitExceededError(
                    f"the value is nested deeper than limits.max_nesting, {depth}, or contains itself; flatten it"
                )
            # A shared container counts as often as it would be written, two bytes a node at least.
            count += sum(map(len, below))
            limits.check_value(2 * count)
        depth += 1
        level = below
    return True


def _look_at_each(opened: Collection[Any], below: _Level) -> bool:
    """Look at the nodes of a short container one by one, and leave the containers among them for the next level."""
    if type(opened) is dict:
        for key in opened:
            if type(key) is not str:
                return False
        opened = opened.values()
    for node in opened:
        kind = type(node)
        if kind in _CONTAINERS:
            below.append(node)
        elif kind not in _PLAIN or (kind is float and not math.isfinite(node)):
            return False
    return True


def _look_at_all(opened: Collection[Any], below: _Level) -> bool:
    """Do what `_look_at_each` does, in C loops."""
    if type(opened) is dict:
        if not _KEYS.issuperset(map(type, opened)):
            return False
        opened = opened.values()
    nodes: Sequence[Any] = [*opened]
    kinds = set(map(type, nodes))
    if not kinds <= _PLAIN or (float in kinds and not _are_finite(_of(nodes, kinds, _FLOATS))):
        return False
    if kinds.isdisjoint(_CONTAINERS):
        return True
    dicts = _of(nodes, kinds, _DICTS)
    if not _KEYS.issuperset(map(type, chain.from_iterable(dicts))):
        return False
    for rows, is_dicts in ((dicts, True), (_of(nodes, kinds, _ARRAYS), False)):
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            if len(set(map(len, some))) == 1:
                below += zip(*(map(dict.values, some) if is_dicts else some), strict=True)
            else:
                below += some
    return True


def _of(nodes: Sequence[Any], kinds: set[type], wanted: frozenset[type]) -> Sequence[Any]:
    """Return the nodes of the wanted types, without looking at each where all or none of them are."""
    if kinds.isdisjoint(wanted):
        return ()
    return nodes if kinds <= wanted else [node for node in nodes if type(node) in wanted]


def _are_finite(floats: Sequence[float]) -> bool:
    """Tell whether all are finite: surely where their sum is."""
    return math.isfinite(sum(floats)) or all(map(math.isfinite, floats))
