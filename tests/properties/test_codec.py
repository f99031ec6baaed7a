"""The JSON codec against the standard library, whose round trip is what a value promises."""

from __future__ import annotations

import gc
import json
import sys
from collections import OrderedDict, namedtuple
from enum import IntEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.errors import IntegrityError, InvalidValueError, LimitExceededError
from lamella.limits import DEFAULT_LIMITS, Limits
from lamella.wire.codec import dump_json, load_json


class Level(IntEnum):
    LOW = 1
    HUGE = 2**70


class Name(str):
    __slots__ = ()


class Count(int):
    pass


class Share(float):
    pass


class Row(list):
    pass


Point = namedtuple("Point", "x y")  # noqa: PYI024 - the untyped kind is what callers have

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # Lone surrogates included.
HUGE = st.integers(0, 4200).map(lambda digits: 10**digits)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    HUGE,
    st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, -0.0, 5e-324, 1e308]),
    st.floats(allow_nan=False, allow_infinity=False),
    ANY_TEXT,
    st.sampled_from(Level),
    ANY_TEXT.map(Name),
    st.integers().map(Count),
    st.floats(allow_nan=False, allow_infinity=False).map(Share),
)
KEYS = st.one_of(ANY_TEXT, ANY_TEXT.map(Name), st.integers(), st.floats(allow_nan=False), st.none(), st.booleans())


def _containers(children):
    return st.one_of(
        st.lists(children, max_size=4),
        st.lists(children, max_size=4).map(Row),
        st.lists(children, max_size=4).map(tuple),
        st.tuples(children, children).map(lambda pair: Point(*pair)),
        st.dictionaries(ANY_TEXT, children, max_size=4),
        st.dictionaries(KEYS, children, max_size=4),
        st.dictionaries(ANY_TEXT, children, max_size=4).map(OrderedDict),
    )


DOCUMENTS = st.recursive(LEAVES, _containers, max_leaves=12)
WITH_NAN = st.recursive(LEAVES | st.sampled_from([float("nan"), float("inf"), Share("-inf")]), _containers)


def _standard(value):
    return json.loads(json.dumps(value, allow_nan=False))


def _stored(value):
    return load_json(dump_json(value, DEFAULT_LIMITS))


def _hold_to_the_standard_library(value):
    """Demand the same value, or that both refuse it; texts differ where 1 is True, or keys come in another order."""
    try:
        expected = _standard(value)
    except ValueError:
        with pytest.raises(InvalidValueError):
            dump_json(value, DEFAULT_LIMITS)
    else:
        assert repr(_stored(value)) == repr(expected)


@settings(max_examples=30 * settings().max_examples)
@given(DOCUMENTS)
def test_value_comes_back_as_the_standard_library_brings_it_back(value):
    _hold_to_the_standard_library(value)


@pytest.mark.parametrize("count", [3, 40, 600])
@pytest.mark.parametrize("key", [7, True, None, 1e16, Name("k"), Level.LOW, Count(3), Share(2.5)], ids=repr)
def test_key_that_is_no_exact_text_is_written_as_the_standard_library_writes_it(key, count):
    keys = [*map(str, range(count // 2)), key, *map(str, range(count // 2, count))]
    for value in (dict.fromkeys(keys, 1), [{each: 1} for each in keys], [[{"id": each, each: 1}] for each in keys]):
        assert repr(_stored(value)) == repr(_standard(value))


@settings(max_examples=3 * settings().max_examples)
@given(WITH_NAN)
def test_what_the_standard_library_refuses_is_refused_and_nothing_else(value):
    _hold_to_the_standard_library(value)


@settings(max_examples=3 * settings().max_examples)
@given(DOCUMENTS)
def test_text_that_was_written_is_written_again_byte_for_byte(value):
    try:
        text = dump_json(value, DEFAULT_LIMITS)
    except InvalidValueError:
        return
    again = dump_json(load_json(text), DEFAULT_LIMITS)
    assert dump_json(load_json(again), DEFAULT_LIMITS) == again


@given(
    st.lists(st.integers(0, 3) | st.text("abc", min_size=1, max_size=40), max_size=8),
    st.sampled_from([float("nan"), float("inf"), b"secret", {"secret"}, object(), 1j, range(3), Share("nan")]),
)
def test_refusal_names_the_path_and_never_the_value(path, fault):
    value = fault
    for step in reversed(path):
        value = {step: value, f"{step} beside": None} if isinstance(step, str) else [*[None] * step, value]
    said = "$" + "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in path)
    with pytest.raises(InvalidValueError) as refused:
        dump_json(value, DEFAULT_LIMITS)
    assert f"at {said} " in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("key", [b"bytes", (1, 2), 1j, float("nan"), Share("inf")])
def test_key_that_json_has_no_word_for_is_refused_with_the_path_of_its_object(key):
    with pytest.raises(InvalidValueError, match=r"at \$\.list\[1\] has a key of type"):
        dump_json({"list": [0, {key: 1}]}, DEFAULT_LIMITS)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("x" * 1_000_000, "x" * 40 + "..."),
        ("x" * 40, "x" * 40),
        ("\ud800", r"\ud800"),
        ("\x1b[2J\n", r"\x1b[2J\n"),
        ("\u00e9\U0001f600", r"\xe9\U0001f600"),
        (10**100, "1" + "0" * 39 + "..."),
        (None, "null"),
    ],
)
def test_path_spells_a_name_in_printable_ascii_and_cuts_it(key, said):
    with pytest.raises(InvalidValueError) as refused:
        dump_json({key: float("nan")}, DEFAULT_LIMITS)
    assert f"at $.{said} is NaN" in str(refused.value)


def test_integer_of_more_digits_than_python_prints_is_refused_with_its_path():
    with pytest.raises(InvalidValueError, match=r"at \$\[0\] is an integer with too many digits"):
        dump_json([10**5000], DEFAULT_LIMITS)


def _nested(levels, inner):
    value = inner
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("inner", [None, Level.LOW, {1: 2}.keys().__len__], ids=["plain", "subclass", "no_json"])
@pytest.mark.parametrize("levels", [501, 900, 100_000])
def test_value_nested_deeper_than_the_limit_is_refused(levels, inner):
    with pytest.raises((LimitExceededError, InvalidValueError)):
        dump_json(_nested(levels, inner), DEFAULT_LIMITS)


@pytest.mark.parametrize("root", [dict, OrderedDict], ids=["plain", "subclass"])
def test_nesting_is_counted_below_an_object_that_takes_the_slow_path(root):
    for levels, match in ((600, "max_nesting"), (100_000, "nested")):
        with pytest.raises(LimitExceededError, match=match):
            dump_json(root({1: _nested(levels, None)}), DEFAULT_LIMITS)
    assert load_json(dump_json(root({1: _nested(400, None)}), DEFAULT_LIMITS)) == {"1": _nested(400, None)}


@pytest.mark.parametrize("kind", [OrderedDict, dict])
def test_value_that_contains_itself_is_refused_at_once(kind):
    value = kind()
    value["self"] = value
    with pytest.raises((LimitExceededError, InvalidValueError), match="contains itself"):
        dump_json(value, DEFAULT_LIMITS)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"NaN", b"-Infinity", b"1e400", b"[1,]", b"\xff", b'"\xed\xa0\x80"', b"1 2"]
)
def test_text_that_no_value_has_is_damage(text):
    with pytest.raises(IntegrityError):
        load_json(text)


def test_text_nested_deeper_than_python_reads_is_refused():
    with pytest.raises(LimitExceededError, match="nested"):
        load_json(b"[" * 100_000 + b"]" * 100_000)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_text_in_another_encoding_than_utf_8_is_damage(encoding):
    with pytest.raises(IntegrityError):
        load_json('{"a": 1}'.encode(encoding))


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collector_is_as_it_was(enabled):
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        assert _stored([{"a": 1}] * 200_000) == [{"a": 1}] * 200_000
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_garbage_collector_is_never_found_off():
    """Neither by a signal handler, which may raise or fork, nor by another thread: they run between instructions."""
    found = []

    def between_instructions(frame, event, _):
        frame.f_trace_opcodes = True
        if event == "opcode":
            found.append(gc.isenabled())
        return between_instructions

    text = dump_json([{"a": 1}] * 200_000, DEFAULT_LIMITS)
    assert gc.isenabled()
    before = sys.gettrace()
    sys.settrace(between_instructions)
    try:
        load_json(text)
    finally:
        sys.settrace(before)
    assert found
    assert all(found)
    with pytest.raises(IntegrityError):
        load_json(text + b"]")
    assert gc.isenabled()


def test_value_longer_than_the_limit_is_refused():
    with pytest.raises(LimitExceededError, match="max_value_bytes"):
        dump_json("x" * 100, Limits(max_value_bytes=101))
    assert len(dump_json("x" * 100, Limits(max_value_bytes=102))) == 102
