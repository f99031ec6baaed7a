"""Loading a state backend by the path of its class.

Source: docs/state.md, "The setting".
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from lamella.doors import Given, gather
from lamella.errors import ConfigError
from lamella.interruption import raise_interruption
from lamella.registry import import_fault

if TYPE_CHECKING:
    from lamella.state.backend import BaseStateBackend

__all__ = ["BY_NAME", "BY_SCOPE", "configured_state_backend", "has_methods", "load_backend", "refuse_no_backend"]

_SETTING: Final = "workers.state_backend"
_METHODS: Final = ("get", "set", "delete", "clear", "aget", "aset", "adelete", "aclear")
BY_NAME: Final = (
    "serialize_task_state_to_ref",
    "deserialize_task_state_from_ref",
    "serialize_asset_state_to_ref",
    "deserialize_asset_state_from_ref",
)
"""The hooks that get a `ti_id` or an `asset_ref`."""
BY_SCOPE: Final = (
    "serialize_task_state_store_to_ref",
    "deserialize_task_state_store_from_ref",
    "serialize_asset_state_store_to_ref",
    "deserialize_asset_state_store_from_ref",
)
"""The hooks that get a scope, as Airflow 3.3 calls them."""


_CONFIGURED: Final[dict[str, BaseStateBackend | None]] = {}


def configured_state_backend() -> BaseStateBackend | None:
    """Return the backend that `workers.state_backend` names, the same all the process long; None where it is empty.

    Raises:
        ConfigError: The class cannot be loaded or made, or is no state backend.
    """
    if _SETTING not in _CONFIGURED:
        # Of threads that make one at once, all go on with the same; no lock could be held over a fork.
        _CONFIGURED.setdefault(_SETTING, _make_configured())
    return _CONFIGURED[_SETTING]


def _make_configured() -> BaseStateBackend | None:
    given = gather(None, None, os.environ, {}).get(_SETTING, Given("", "default"))
    if not given.value:
        return None
    backend: BaseStateBackend = load_backend(f"{_SETTING} ({given.origin})", given.value)
    if not has_methods(backend, BY_NAME):
        raise ConfigError(f"{_SETTING} ({given.origin}): {given.value!r} has no {', '.join(BY_NAME)}")
    return backend


def load_backend(label: str, path: str) -> Any:  # noqa: ANN401 - any class with the methods of a backend
    """Import `package.module.Class` and make one, without arguments.

    Raises:
        ConfigError: That fails, or what is made is no state backend; the message names the setting and the path.
    """
    module, _, name = path.rpartition(".")
    try:
        cls = getattr(import_module(module), name)
    except Exception as error:  # A module may raise anything while it is imported.
        raise_interruption(error)
        fault = import_fault(error)
        says = f": {fault}" if fault else ""
        raise ConfigError(
            f"{label}: {path!r} cannot be loaded ({type(error).__name__}{says}); write package.module.Class"
        ) from error
    if not isinstance(cls, type):
        raise ConfigError(f"{label}: {path!r} is no class; write package.module.Class")
    try:
        backend = cls()
    except TypeError as error:
        raise ConfigError(f"{label}: {path!r} cannot be made without arguments ({error})") from error
    except Exception as error:  # So may a constructor, and what it says may hold a secret.
        raise_interruption(error)
        raise ConfigError(
            f"{label}: {path!r} cannot be made: it raised {type(error).__name__}, which its traceback explains"
        ) from error
    refuse_no_backend(f"{label}: {path!r}", backend)
    return backend


def refuse_no_backend(label: str, backend: object) -> None:
    """Refuse an object without the contract of a state backend.

    Raises:
        ConfigError: It is a class, or lacks a method; the message names those that it lacks.
    """
    if isinstance(backend, type):
        raise ConfigError(f"{label} is the class {backend.__name__}; make one of it")
    lacks = [name for name in _METHODS if not callable(getattr(backend, name, None))]
    if not lacks and not has_methods(backend, BY_SCOPE) and not has_methods(backend, BY_NAME):
        lacks = [name for name in BY_NAME if not callable(getattr(backend, name, None))]
    if lacks:
        raise ConfigError(f"{label} is no state backend: it lacks {', '.join(lacks)}")


def has_methods(backend: object, names: tuple[str, ...]) -> bool:
    """Tell whether an object has all these methods."""
    return all(callable(getattr(backend, name, None)) for name in names)
