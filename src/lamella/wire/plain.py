"""Whether a value is JSON as it stands, so that the fast encoder writes what `json.dumps` would.

Keys are not looked at: that encoder refuses all but exact texts itself.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from lamella.errors import LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lamella.limits import Limits

__all__ = ["is_plain"]

_SCALARS: Final = frozenset({str, int, bool, type(None)})
_FLOATS: Final = frozenset({float})
_ARRAYS: Final = frozenset({list, tuple})
_DICTS: Final = frozenset({dict})
_CONTAINERS: Final = _ARRAYS | _DICTS
_PLAIN: Final = _CONTAINERS | _FLOATS | _SCALARS

_MANY: Final = 16
"""From how many nodes, or containers, on it pays to look at all at once."""

_SHALLOW: Final = 4
"""How many levels of small containers are looked into one node at a time, which is 65,536 nodes at most."""

_ROWS: Final = 256
"""How many records are open at once: more new objects would set the garbage collector going."""

_Groups = list[list[Any]]
"""The containers of one level of nesting, together as they were found: mostly of one kind, and of one length."""


def is_plain(value: object, limits: Limits) -> bool:
    """Tell whether only exact JSON types and finite floats occur, keys aside.

    Raises:
        LimitExceededError: The value is nested too deeply, or too large to be written within the limits.
    """
    return _is_small_and_plain((value,), min(_SHALLOW, limits.max_nesting)) or _is_plain_by_level(value, limits)


def _is_small_and_plain(nodes: Iterable[Any], levels: int) -> bool:
    """Tell whether all nodes are plain, as are the few levels of few nodes below them."""
    for node in nodes:
        kind = type(node)
        if kind in _SCALARS:
            continue
        if kind is float:
            if math.isfinite(node):
                continue
            return False
        if kind not in _CONTAINERS or not levels or len(node) >= _MANY:
            return False
        if not _is_small_and_plain(node.values() if kind is dict else node, levels - 1):
            return False
    return True


def _is_plain_by_level(value: object, limits: Limits) -> bool:
    """Do what `is_plain` does, level by level, since recursion has its limit."""
    level: _Groups = [[(value,)]]
    depth = count = 0
    while level:
        below: _Groups = []
        for group in level:
            if len(group) >= _MANY:
                if not _look_by_column(group, below):
                    return False
            elif not all(_look_inside(each, below) for each in group):
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
    """Look into many containers at once: records column by column, since those mostly are of one type each."""
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        kinds, sizes = set(map(type, some)), set(map(len, some))
        if max(sizes) > _ROWS or not (kinds == _DICTS or kinds.isdisjoint(_DICTS)):
            if not all(_look_inside(each, below) for each in some):
                return False
            continue
        insides = map(dict.values, some) if kinds == _DICTS else some
        are_records = kinds == _DICTS and len(sizes) == 1
        columns = zip(*insides, strict=True) if are_records else ([*chain.from_iterable(insides)],)
        if not all(_look_at(column, below) for column in columns):
            return False
    return True


def _look_inside(container: Collection[Any], below: _Groups) -> bool:
    """Look into one container."""
    return _look_at(container.values() if type(container) is dict else container, below)


def _look_at(nodes: Collection[Any], below: _Groups) -> bool:
    """Look at nodes, in C loops, and leave the containers among them for the next level."""
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
