"""Typed reading of one setting, whichever door it came through.

Each parser takes a label that names the setting, and raises a `ConfigError` that says what the setting must be. No
message repeats a value, which may be a credential in the wrong place.

Source: docs/configuration.md, "Types".
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

from lamella.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection
    from dataclasses import Field
    from typing import TypeGuard

__all__ = [
    "masked",
    "parse_bool",
    "parse_date",
    "parse_field",
    "parse_int",
    "parse_key_id",
    "parse_option",
    "parse_size",
    "parse_text",
    "unknown",
]

_INT = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,18}) ?([A-Za-z]*)", re.ASCII)
_UNIT_BYTES: Final = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_CREDENTIAL = re.compile(r"secret|token|pass|pwd|credential|key|auth|signature", re.IGNORECASE)
_USER = re.compile(r"://.*@", re.DOTALL)


def parse_text(label: str, value: object) -> str:
    """Return a text as it is."""
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{label}: must be a text that is not empty")
    return value


def parse_bool(label: str, value: object) -> bool:
    """Return a boolean, or read `true` or `false` in any case."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise ConfigError(f"{label}: must be true or false")


def parse_int(label: str, value: object) -> int:
    """Return a whole number, or read one in decimal digits."""
    if _is_int(value):
        return value
    if isinstance(value, str) and _INT.fullmatch(value):
        return int(value)
    raise ConfigError(f"{label}: must be a whole number")


def parse_size(label: str, value: object) -> int:
    """Return a number of bytes, or read one that may end in B, KB, MB, GB (powers of 1,000), KiB, MiB or GiB."""
    if _is_int(value):
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2] not in _UNIT_BYTES:
        units = ", ".join(filter(None, _UNIT_BYTES))
        raise ConfigError(f"{label}: must be a size in bytes, or a number with one of {units}, as in 8MiB")
    return int(found[1]) * _UNIT_BYTES[found[2]]


def parse_date(label: str, value: object) -> dt.date:
    """Return a date, or read one that is written as 2027-01-31."""
    if type(value) is dt.date:
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    raise ConfigError(f"{label}: must be a date like 2027-01-31")


def parse_key_id(label: str, value: object) -> bytes:
    """Read an id of 8 bytes."""
    if not isinstance(value, str) or not _KEY_ID.fullmatch(value):
        raise ConfigError(f"{label}: must be 16 hexadecimal digits, the keyring_id that `lamella key list` shows")
    return bytes.fromhex(value)


def parse_option(label: str, value: object) -> str:
    """Return the text of what somebody else reads: a store its options, a layer's field its setting."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if _is_int(value):
        return str(value)
    raise ConfigError(f"{label}: must be a text, a whole number, true or false")


def parse_field(field: Field[Any], label: str, value: object) -> object:
    """Read the setting behind a dataclass field, by its annotation; a name that ends in `_bytes` is a size."""
    kind = getattr(field.type, "__name__", field.type)
    if kind == "int":
        return parse_size(label, value) if field.name.endswith("_bytes") else parse_int(label, value)
    if kind == "bool":
        return parse_bool(label, value)
    if kind == "str":
        return parse_text(label, value)
    raise ConfigError(f"{label}: is of a type that no configuration can give; leave it out")


def unknown(what: str, name: str, known: Collection[str], *, cutoff: float = 0.6) -> str:
    """Say that a name is unknown, with the nearest known one, or else all of them."""
    import difflib  # noqa: PLC0415 - only a mistake needs it

    close = difflib.get_close_matches(name, known, 1, cutoff)
    if close:
        return f"unknown {what} {name!r}; did you mean {close[0]!r}?"
    return f"unknown {what} {name!r}; there are: {', '.join(sorted(known)) or 'none'}"


def masked(name: str, text: str) -> str:
    """Return what may be shown of a setting: no credential, and no user in front of a host."""
    return "***" if _CREDENTIAL.search(name) else _USER.sub("://***@", text)


def _is_int(value: object) -> TypeGuard[int]:
    # TOML promises 64 bits; longer numbers could not even be printed.
    return type(value) is int and abs(value) < 2**63
