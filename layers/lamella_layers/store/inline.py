"""No store at all: the object travels inside its ref.

Source: README.md in this folder, "inline".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn

from lamella.errors import ConfigError, StoreError
from lamella.protocols.store import Store
from lamella_layers.store.shared import check_options, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

    from lamella.protocols.layer import Segment
    from lamella.protocols.store import Condition, Version

__all__ = ["InlineStore"]


class InlineStore(Store):
    """Keeps nothing; its methods are there to refuse a caller that did not look at `in_ref`."""

    scheme: ClassVar[str] = "inline"
    conditional_put: ClassVar[bool] = False
    lists: ClassVar[bool] = False
    streams: ClassVar[bool] = False
    in_ref: ClassVar[bool] = True

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> Self:
        """Build the store from `inline://`."""
        check_options(cls.scheme, options, ())
        if place(cls.scheme, url):
            raise ConfigError("an inline store has no path: write 'inline://'")
        return cls()

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Refuse."""
        del source, if_version
        _refuse(locator)

    def get(self, locator: str) -> NoReturn:
        """Refuse."""
        _refuse(locator)

    def delete(self, locator: str, *, if_version: Version | None = None) -> None:
        """Refuse."""
        del if_version
        _refuse(locator)

    def list(self, prefix: str) -> NoReturn:
        """Refuse."""
        _refuse(prefix)


def _refuse(locator: str) -> NoReturn:
    raise StoreError(
        "the inline store keeps nothing: the object is in its ref; read it through the stack", locator=locator
    )
