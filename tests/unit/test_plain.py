"""What counts as JSON as it stands, whichever way it is looked at: a few nodes one by one, many at once."""

from __future__ import annotations

import decimal
import math
import tracemalloc

import pytest

from lamella.errors import LimitExceededError
from lamella.limits import DEFAULT_LIMITS, Limits
from lamella.wire.plain import is_plain

FEW, MANY, SLICES = 3, 40, 600
COUNTS = pytest.mark.parametrize("count", [FEW, MANY, SLICES])


class _Text(str):
    __slots__ = ()


class _Number(int):
    pass


def _spread(count, odd):
    """Give lists, dicts and records of which one node in the middle is odd."""
    nodes = [odd if number == count // 2 else number for number in range(count)]
    yield nodes
    yield tuple(nodes)
    yield {str(number): node for number, node in enumerate(nodes)}
    yield [{"id": "a", "node": node} for node in nodes]
    yield [["a", node] for node in nodes]
    yield [{"id": "a", "inner": [node]} for node in nodes]
    yield [{"id": "a"} | ({"more": 1} if number % 2 else {}) | {"node": node} for number, node in enumerate(nodes)]
    yield [[node] if number % 2 else {"node": node} for number, node in enumerate(nodes)]


@COUNTS
@pytest.mark.parametrize("plain", ["text", 7, 2.5, True, None, [], {}, (), [1, [2]], {"a": {"b": ()}}], ids=repr)
def test_exact_json_is_plain_wherever_it_stands(count, plain):
    assert all(is_plain(value, DEFAULT_LIMITS) for value in _spread(count, plain))


@COUNTS
@pytest.mark.parametrize(
    "odd",
    [math.nan, math.inf, -math.inf, b"x", {1}, decimal.Decimal(1), _Text("x"), _Number(1), {"k": b"x"}],
    ids=repr,
)
def test_anything_else_is_not_wherever_it_stands(count, odd):
    assert not any(is_plain(value, DEFAULT_LIMITS) for value in _spread(count, odd))


@COUNTS
def test_floats_whose_sum_is_not_finite_may_be_finite_themselves(count):
    assert is_plain([1.7e308] * count, DEFAULT_LIMITS)
    assert not is_plain([1.7e308] * count + [math.inf, -math.inf], DEFAULT_LIMITS)


@COUNTS
def test_nesting_is_counted_alike_for_few_and_many(count):
    value = [[[]] for _ in range(count)]
    assert is_plain(value, Limits(max_nesting=3))
    with pytest.raises(LimitExceededError, match="max_nesting"):
        is_plain(value, Limits(max_nesting=2))


def test_value_that_contains_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(LimitExceededError):
        is_plain(value, DEFAULT_LIMITS)


def test_containers_that_are_shared_are_counted_before_they_are_opened():
    value = [1] * 1_000
    for _ in range(5):
        value = [value] * 1_000
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceededError, match="max_value_bytes"):
            is_plain(value, Limits(max_value_bytes=8_000_000))
        assert tracemalloc.get_traced_memory()[1] < 64_000_000
    finally:
        tracemalloc.stop()
