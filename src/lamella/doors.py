"""The doors through which settings come: the arguments, the environment and the file, the strongest first.

Source: docs/configuration.md, "The three doors".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lamella.chain import parse_chain, parse_layers
from lamella.config_file import default_path, read_tables
from lamella.errors import ConfigError
from lamella.limits import Limits
from lamella.policy import Accept, Policy
from lamella.settings import parse_date, parse_field, parse_int, parse_key_id, parse_option, parse_text, unknown
from lamella.wire.ref import ALIAS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SETTINGS", "Given", "gather"]

_PREFIX: Final = "LAMELLA__"
_PATH_VARIABLE: Final = "LAMELLA__CONFIG"
_TABLES: Final = ("keys", "policy", "limits", "stores", "workers")
_STORE_PARTS: Final = 3

_Read = Callable[[str, object], object]
_Setting = tuple[str, object, str, _Read]


class Given(NamedTuple):
    """A setting that came through a door; as an argument, one that came through a host's before.

    Attributes:
        value: What was read, or is to be.
        origin: The door, as a person would name it.
    """

    value: Any
    origin: str

    def __repr__(self) -> str:
        """Show the door only: what is not read yet may hold a credential."""
        return f"Given({self.origin!r})"


def _parse_alias(label: str, value: object) -> str:
    if not isinstance(value, str) or not ALIAS.fullmatch(value) or value == "aliases":
        raise ConfigError(f"{label}: must be a letter, then up to 31 of a-z, 0-9, _ and -, but not 'aliases'")
    return value


def _parse_accept(label: str, value: object) -> tuple[Accept, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, Mapping) for item in value):
        raise ConfigError(f"{label}: must be a list of tables like {{ strength = 0, until = 2027-01-31 }}, in a file")
    for item in value:
        for name in item:
            if name not in {"strength", "until"}:
                raise ConfigError(f"{label}: {unknown('setting', str(name), ('strength', 'until'))}")
    return tuple(
        Accept(
            strength=parse_int(f"{label}: strength", item.get("strength")),
            until=parse_date(f"{label}: until", item.get("until")),
        )
        for item in value
    )


SETTINGS: Final[Mapping[str, _Read]] = {
    "chain": parse_chain,
    "layers": parse_layers,
    "store": parse_text,
    "alias": _parse_alias,
    "keyring": parse_text,
    "keys.deployment": parse_text,
    "keys.keyring_id": parse_key_id,
    "keys.min_epoch": parse_int,
    **{f"policy.{field.name}": partial(parse_field, field) for field in fields(Policy)},
    "policy.accept": _parse_accept,
    **{f"limits.{field.name}": partial(parse_field, field) for field in fields(Limits)},
    "workers.state_backend": parse_option,
}
"""Every setting but those of the stores, and what reads it."""


def gather(
    chain: str | None, path: str | os.PathLike[str] | None, environ: Mapping[str, str], settings: Mapping[str, object]
) -> dict[str, Given]:
    """Read every door, and let the stronger one win, setting by setting.

    A chain and the pair of layers and store say the same thing, so the stronger door's spelling replaces the other.

    Raises:
        ConfigError: A door gives an unknown setting, one of the wrong type, or both spellings.
    """
    doors = (
        _file(path, environ),
        _environment(environ),
        _flatten(settings, "argument"),
        _flatten({} if chain is None else {"chain": chain}, "argument"),
    )
    found: dict[str, Given] = {}
    for door in doors:
        given: dict[str, Given] = {}
        for name, value, origin, read in door:
            label = f"{name} ({origin})"
            if name in given:
                raise ConfigError(f"{label}: is given twice; remove one")
            given[name] = Given(read(label, value), origin)
        found = _merge(found, given)
    return found


def _merge(weaker: dict[str, Given], stronger: dict[str, Given]) -> dict[str, Given]:
    pair = stronger.keys() & {"layers", "store"}
    if "chain" in stronger and pair:
        raise ConfigError(f"chain ({stronger['chain'].origin}): give either chain, or layers and store")
    replaced = {"layers", "store"} if "chain" in stronger else {"chain"} if pair else set()
    return {name: given for name, given in weaker.items() if name not in replaced} | stronger


def _reader(name: str) -> _Read | None:
    parts = name.split(".")
    if parts[0] == "stores" and len(parts) == _STORE_PARTS and all(parts):
        return _parse_alias if parts[1] == "aliases" else parse_option
    return SETTINGS.get(name)


def _flatten(tree: Mapping[str, object], origin: str, prefix: str = "") -> Iterator[_Setting]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if name in _TABLES or (prefix == "stores." and name.count(".") == 1):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{name} ({origin}): must be a table")
            if not value and prefix == "stores." and key != "aliases":
                raise ConfigError(f"{name} ({origin}): is empty; give the store a url, or remove it")
            yield from _flatten(value, origin, f"{name}.")
        elif read := _reader(name):
            yield name, *(value if isinstance(value, Given) else (value, origin)), read
        else:
            raise ConfigError(f"{origin}: {unknown('setting', name, (*SETTINGS, *_TABLES))}")


def _environment(environ: Mapping[str, str]) -> Iterator[_Setting]:
    for variable, value in environ.items():
        upper = variable.upper()
        if not upper.startswith(_PREFIX) or upper == _PATH_VARIABLE:
            continue
        name = upper.removeprefix(_PREFIX).lower().replace("__", ".")
        read = _reader(name)
        if read is None:
            known = [_PATH_VARIABLE, *(_PREFIX + each.upper().replace(".", "__") for each in SETTINGS)]
            raise ConfigError(f"environment: {unknown('variable', upper, known, cutoff=0)}")
        yield name, value, f"environment {variable}", read


def _file(path: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> Iterator[_Setting]:
    if path is None and (path := environ.get(_PATH_VARIABLE)) is None:
        path = default_path()
    if path is not None:
        yield from _flatten(read_tables(path), os.fspath(path))
