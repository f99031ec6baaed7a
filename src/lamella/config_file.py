"""The configuration file: TOML, or the form of airflow.cfg for who writes that already.

Source: docs/configuration.md, "The three doors".
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

from lamella.errors import ConfigError

__all__ = ["default_path", "read_tables"]

_DEFAULT_PATHS: Final = ("lamella.toml", "lamella.cfg")
_TOP_SECTION: Final = "lamella"


def default_path() -> str | None:
    """Return the file of the working directory, None where there is none.

    Raises:
        ConfigError: There are both, or nobody can tell.
    """
    found = [path for path in _DEFAULT_PATHS if _exists(path)]
    if len(found) > 1:
        raise ConfigError(f"there are both {' and '.join(found)}; keep one of them")
    return found[0] if found else None


def read_tables(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the settings of a file as the tables of a TOML document.

    Raises:
        ConfigError: It cannot be read, or is not what its name says.
    """
    read = _read_cfg if os.fspath(path).endswith(".cfg") else _read_toml
    try:
        return read(Path(path))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}; check the path") from None


def _exists(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - what Path.exists says of an error depends on the Python
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(
            f"cannot look for {path} in the working directory: {error.strerror}; "
            "start in another one, or name the file in LAMELLA__CONFIG"
        ) from None
    return True


def _read_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - a configuration without a file does not pay for it
    else:
        import tomli as tomllib  # noqa: PLC0415 - the same module under its older name
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the configuration {path} is not TOML: {error}") from None


def _read_cfg(path: Path) -> dict[str, Any]:
    import configparser  # noqa: PLC0415 - a configuration without such a file does not pay for it

    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8-sig") as file:
            parser.read_file(file)
    except (configparser.Error, UnicodeDecodeError) as error:
        # Its own message repeats the line, which may hold a credential.
        raise ConfigError(f"the configuration {path} is no .cfg file: {type(error).__name__}") from None
    if parser.defaults() and not parser.sections():
        raise ConfigError(
            f"the configuration {path}: [DEFAULT] is what other sections begin with, and there are none; "
            f"write [{_TOP_SECTION}] in its place, and tables such as [policy] for their settings"
        )
    tables: dict[str, Any] = {}
    for section in parser.sections():
        table = tables
        for name in () if section == _TOP_SECTION else section.split("."):
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(
                    f"the configuration {path}: [{section}] stands below a setting of that name; remove one"
                )
        table.update(parser[section])
    return tables
