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
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from lamella.errors import IntegrityError, InvalidValueError, LimitExceededError
from lamella.wire.plain import is_plain

if TYPE_CHECKING:
    from lamella.limits import Limits

__all__ = ["CODEC_JSON", "CODEC_RAW", "dump_json", "encode_text", "load_json"]

CODEC_JSON: Final = 0
CODEC_RAW: Final = 1

_LONG_TEXT_BYTES: Final = 1024 * 1024
_SPELT_CHARS: Final = 40

# With these it refuses whatever is of a subclass of a JSON type, as it refuses keys that are not exact texts.
_EXACT: Final = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_CALL: Final = methodcaller("__call__")
_DECODER: Final = msgspec.json.Decoder()


def dump_json(value: Any, limits: Limits) -> bytes:  # noqa: ANN401 - whatever the host hands in
    """Return `value` as JSON text in UTF-8, at most `limits.max_value_bytes`.

    The fast encoder is used only where it provably writes what `json.dumps` would; it takes enums, UUIDs and NaN, which
    JSON has no word for.

    Raises:
        InvalidValueError: The value is not JSON; the message spells its path, never what is there.
        LimitExceededError: It is too long or nested too deeply.
    """
    text = _dump_plain(value) if is_plain(value, limits) else None
    if text is None:
        text = _dump_any(value)
        is_plain(load_json(text), limits)  # What was written is exact JSON, so its depth can be told.
    limits.check_value(len(text))
    return text


def encode_text(text: str) -> bytes:
    """Return a text that is kept verbatim in UTF-8.

    Raises:
        InvalidValueError: It is no text, or cannot be encoded.
    """
    if not isinstance(text, str):
        raise InvalidValueError(f"a text is a str, not {type(text).__name__}; the write hooks take other values")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidValueError("the text holds a lone surrogate; clean it before use") from None


def load_json(text: bytes | memoryview) -> Any:  # noqa: ANN401 - any JSON document
    """Return the value of a JSON text that `dump_json` wrote.

    Raises:
        IntegrityError: It is no JSON, so it is not what was written.
        LimitExceededError: It is nested more deeply, or has more digits in a number, than this Python reads.
    """
    try:
        if len(text) < _LONG_TEXT_BYTES:
            return _DECODER.decode(text)
        return _decode_long(text)
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


def _dump_plain(value: object) -> bytes | None:
    """Encode exact JSON types fast; None where the standard library decides (a lone surrogate, a huge int, a key 1)."""
    try:
        return orjson.dumps(value, None, _EXACT)
    except orjson.JSONEncodeError:
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
            places += [(f"{path}.{_spelt(key)}", child) for key, child in node.items()]
        elif isinstance(node, (list, tuple)):
            places += [(f"{path}[{index}]", child) for index, child in enumerate(node)]
    return "$", "contains itself or cannot be written as JSON"


def _spelt(key: object) -> str:
    """Write a name inside a value so that every terminal can show it and no name fills the message."""
    text = str.encode(key, "unicode_escape").decode() if isinstance(key, str) else json.dumps(key)
    return text if len(text) <= _SPELT_CHARS else f"{text[:_SPELT_CHARS]}..."


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


def _decode_long(text: bytes | memoryview) -> Any:  # noqa: ANN401 - any JSON document
    """Decode without the cyclic garbage collector: a fresh document has no cycles, looking for them takes most time."""
    if not gc.isenabled():
        return _DECODER.decode(text)
    try:
        # One call into C: no other thread, signal handler or fork ever finds the collector off.
        return list(map(_CALL, (gc.disable, partial(_DECODER.decode, text), gc.enable)))[1]
    finally:
        gc.enable()  # After an error; else it is on already.


def _refuse_constant(name: str) -> None:
    raise ArithmeticError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ArithmeticError
    return number
