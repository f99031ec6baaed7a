"""The value codecs: JSON for values, raw for streams.

| number | codec | bytes |
|---|---|---|
| 0 | json | one JSON text, UTF-8; what `json.loads(json.dumps(value))` gives is what is read back |
| 1 | raw | the bytes of a stream as they came |

Source: docs/format.md, "Payload"; RFC 8259.
"""

from __future__ import annotations

import gc
import json
import math
import os
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from lamella.errors import IntegrityError, InvalidValueError, LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from lamella.limits import Limits

__all__ = ["CODEC_JSON", "CODEC_RAW", "dump_json", "load_json"]

CODEC_JSON: Final = 0
CODEC_RAW: Final = 1

_LONG_TEXT_BYTES: Final = 1024 * 1024

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder()

_KEYS: Final = frozenset({str})
_ARRAYS: Final = frozenset({list, tuple})
_DICTS: Final = frozenset({dict})
_FLOATS: Final = frozenset({float})
_FEW_ROWS, _MANY_ROWS = 16, 1024
_CONTAINERS: Final = _ARRAYS | _DICTS
_PLAIN: Final = _CONTAINERS | {str, int, float, bool, type(None)}


def dump_json(value: Any, limits: Limits) -> bytes:  # noqa: ANN401 - whatever the host hands in
    """Return `value` as JSON text in UTF-8, at most `limits.max_value_bytes`.

    The fast encoder is used only where it provably writes what `json.dumps` would; it takes sets, dates and NaN, which
    JSON has no word for.

    Raises:
        InvalidValueError: The value is not JSON; the message names the path.
        LimitExceededError: It is too long or nested too deeply.
    """
    text = _dump_plain(value) if _is_plain(value, limits) else None
    if text is None:
        text = _dump_any(value)
        _is_plain(load_json(text), limits)  # What was written is exact JSON, so its depth can be told.
    limits.check_value(len(text))
    return text


def load_json(text: bytes | memoryview) -> Any:  # noqa: ANN401 - any JSON document
    """Return the value of a JSON text that `dump_json` wrote.

    Raises:
        IntegrityError: It is no JSON, so it is not what was written.
        LimitExceededError: It is nested more deeply, or has more digits in a number, than this Python reads.
    """
    try:
        if len(text) < _LONG_TEXT_BYTES:
            return _DECODER.decode(text)
        with _CollectorPaused():
            return _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass
    try:
        return json.loads(str(text, "utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise LimitExceededError("the value is nested more deeply than this Python reads") from None
    except (UnicodeDecodeError, json.JSONDecodeError, ArithmeticError):
        pass
    except ValueError:
        raise LimitExceededError(
            "the value has an integer of more digits than sys.set_int_max_str_digits allows"
        ) from None
    # Raised out here, because the error of json holds the document and would stay as the context.
    raise IntegrityError


def _is_plain(value: object, limits: Limits) -> bool:
    """Tell whether only exact JSON types and finite floats occur, many nodes at a time in C loops.

    Raises:
        LimitExceededError: The value is nested too deeply, or too large to be written within the limits.
    """
    pending: list[tuple[int, Collection[Any]]] = [(0, (value,))]
    if type(value) is dict and set(map(type, value)) <= _KEYS:
        pending = [(1, value.values())]
    count = 0
    while pending:
        depth, nodes = pending.pop()
        kinds = set(map(type, nodes))
        if not kinds <= _PLAIN or (float in kinds and not all(map(math.isfinite, _of(nodes, kinds, _FLOATS)))):
            return False
        if kinds.isdisjoint(_CONTAINERS):
            continue
        if depth == limits.max_nesting:
            raise LimitExceededError(
                f"the value is nested deeper than limits.max_nesting, {depth}, or contains itself; flatten it"
            )
        dicts = _of(nodes, kinds, _DICTS)
        if not set(map(type, chain.from_iterable(dicts))) <= _KEYS:
            return False
        for rows, opened in ((dicts, dict.values), (_of(nodes, kinds, _ARRAYS), None)):
            # A shared container counts as often as it would be written, two bytes a node at least.
            count += sum(map(len, rows))
            limits.check_value(2 * count)
            pending += [(depth + 1, column) for column in _columns(rows, opened)]
    return True


def _of(nodes: Collection[Any], kinds: set[type], wanted: frozenset[type]) -> Collection[Any]:
    """Return the nodes of the wanted types, without looking at each where all or none of them are."""
    if kinds.isdisjoint(wanted):
        return ()
    return nodes if kinds <= wanted else [node for node in nodes if type(node) in wanted]


def _columns(rows: Collection[Any], opened: Callable[[Any], Any] | None) -> Iterable[Collection[Any]]:
    """Return all that the rows hold: records column by column, since those mostly are of one type each.

    Very many rows are not held open at once: so many new objects would set the garbage collector going.
    """
    inside = rows if opened is None else map(opened, rows)
    if len(rows) < _FEW_ROWS:
        return inside
    if len(rows) <= _MANY_ROWS and len(set(map(len, rows))) == 1:
        return zip(*inside, strict=True)
    return ([*chain.from_iterable(inside)],)


def _dump_plain(value: object) -> bytes | None:
    """Encode exact JSON types fast; None where only the standard library decides (a lone surrogate, a huge int)."""
    try:
        return _ENCODER.encode(value)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def _dump_any(value: object) -> bytes:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except RecursionError:
        raise LimitExceededError("the value is nested more deeply than this Python writes; flatten it") from None
    except (TypeError, ValueError):
        path, reason = _blame(value)
        raise InvalidValueError(f"the value at {path} {reason}; convert it to a JSON type first") from None


def _blame(value: object) -> tuple[str, str]:
    """Find a place that JSON has no word for: its path and the reason, never the value there."""
    places = [("$", value)]
    seen: set[int] = set()
    while places:
        path, node = places.pop()
        reason = _fault(node)
        if reason:
            return path, reason
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            places += [(f"{path}.{key}", child) for key, child in node.items()]
        elif isinstance(node, (list, tuple)):
            places += [(f"{path}[{index}]", child) for index, child in enumerate(node)]
    return "$", "contains itself or cannot be written as JSON"


def _fault(node: object) -> str | None:
    if isinstance(node, float):
        return None if math.isfinite(node) else "is NaN or infinite"
    if isinstance(node, int):
        return None if _is_printable(node) else "is an integer with too many digits"
    if isinstance(node, dict):
        wrong = [key for key in node if not (key is None or (isinstance(key, (str, int, float)) and not _fault(key)))]
        return f"has a key of type {type(wrong[0]).__name__} that JSON has no word for" if wrong else None
    return None if node is None or isinstance(node, (str, list, tuple)) else f"is of type {type(node).__name__}"


def _is_printable(number: int) -> bool:
    try:
        int.__repr__(number)
    except ValueError:
        return False
    return True


class _CollectorPaused:
    """Pauses the cyclic garbage collector: a fresh document has no cycles, and looking for them takes half the time."""

    pausing: ClassVar[bool] = False

    def __enter__(self) -> None:
        if gc.isenabled():
            _CollectorPaused.pausing = True
            gc.disable()

    def __exit__(self, *_: object) -> None:
        self.resume()

    @classmethod
    def resume(cls) -> None:
        """Let the collector run again, also in a child that was forked meanwhile, where nobody else would."""
        if cls.pausing:
            cls.pausing = False
            gc.enable()


os.register_at_fork(after_in_child=_CollectorPaused.resume)


def _refuse_constant(name: str) -> None:
    raise ArithmeticError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ArithmeticError
    return number
