"""No store at all: the object travels inside its ref.

Source: README.md in this folder, "inline".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lamella.errors import ConfigError
from lamella.protocols.store import InRefStore
from lamella_layers.store.shared import check_options, place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

__all__ = ["InlineStore"]


class InlineStore(InRefStore):
    """Keeps nothing; its methods are there to refuse a caller that did not look at `in_ref`."""

    scheme: ClassVar[str] = "inline"
    refusal: ClassVar[str] = "the inline store keeps nothing: the object is in its ref; read it through the stack"

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> Self:
        """Build the store from `inline://`."""
        check_options(cls.scheme, options, ())
        if place(cls.scheme, url):
            raise ConfigError("an inline store has no path: write 'inline://'")
        return cls()
