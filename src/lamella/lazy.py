"""Public names that are loaded when they are first used, so that who needs one does not wait for all."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazy_names"]


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package whose names live in other modules (PEP 562).

    Args:
        package: The package's name.
        homes: By public name, the module that defines it.
    """

    def __getattr__(name: str) -> object:  # noqa: N807 - the name by which Python calls it
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)  # So that this is called once for each name.
        return value

    return __getattr__
