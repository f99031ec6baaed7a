"""Who owns a value, and under which name: scopes, keys and addresses.

Source: docs/format.md, "Ids and locators".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from lamella.errors import AddressError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "NO_MAP_INDEX",
    "Address",
    "AssetScope",
    "Scope",
    "TaskScope",
    "XComScope",
    "check_address",
    "scope_of",
]

_MAX_TEXT_CHARS = 4096
_MAX_MAP_INDEX = 2**31 - 1
_NUMBERS = frozenset({"asset_id", "region_index"})
NO_MAP_INDEX = -1
"""The map index of what is not mapped."""


@dataclass(frozen=True)
class TaskScope:
    """One task of one run; retries share it.

    Attributes:
        dag_id: The workflow.
        run_id: The run of the workflow.
        task_id: The task inside it.
        map_index: The index of a mapped task, -1 for a task that is not mapped.
        region_id: The id of a task-loop region, where the host has them.
        region_index: The iteration inside that region.

    Raises:
        AddressError: A field is not text, is too long or cannot be encoded as UTF-8.
    """

    kind: ClassVar[str] = "task"

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = NO_MAP_INDEX
    region_id: str | None = field(default=None, kw_only=True)
    region_index: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what cannot be told apart from another scope."""
        for name in ("dag_id", "run_id", "task_id"):
            _check_text(name, getattr(self, name))
        _check_index("map_index", self.map_index, NO_MAP_INDEX)
        if self.region_id is not None:
            _check_text("region_id", self.region_id)
        if self.region_index is not None:
            _check_index("region_index", self.region_index, NO_MAP_INDEX)

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Name the fields that make up the scope id, in their canonical order, defaults left out."""
        named: tuple[tuple[str, str], ...] = (
            ("dag_id", self.dag_id),
            ("run_id", self.run_id),
            ("task_id", self.task_id),
        )
        if self.region_id is not None:
            named += (("region_id", self.region_id),)
        if self.region_index is not None:
            named += (("region_index", str(self.region_index)),)
        return named


@dataclass(frozen=True)
class XComScope(TaskScope):
    """The XComs of one task; never meets the state of the task of the same name."""

    kind: ClassVar[str] = "xcom"


@dataclass(frozen=True)
class AssetScope:
    """One asset, known by the first of name, uri and id that is given.

    Raises:
        ValueError: None of the three is given.
        AddressError: A field is of another type, too long or cannot be encoded as UTF-8.
    """

    kind: ClassVar[str] = "asset"
    map_index: ClassVar[int] = NO_MAP_INDEX

    asset_id: int | None = None
    name: str | None = None
    uri: str | None = None

    def __post_init__(self) -> None:
        """Refuse an asset without identity."""
        if self.asset_id is None and self.name is None and self.uri is None:
            raise ValueError("AssetScope requires at least one of: asset_id, name, or uri")
        for name in ("name", "uri"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        if self.asset_id is not None:
            _check_index("asset_id", self.asset_id, 0, 2**63 - 1)

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Name the one field that is the asset's identity."""
        if self.name is not None:
            return (("name", self.name),)
        if self.uri is not None:
            return (("uri", self.uri),)
        return (("asset_id", str(self.asset_id)),)


Scope = TaskScope | AssetScope


def scope_of(kind: str, fields: Mapping[str, Any], map_index: int) -> Scope:
    """Return the scope that has this kind and these `fields()`.

    Raises:
        KeyError: There is no such kind.
        TypeError: It has no such field, lacks one, or one is of another type.
        ValueError: A field cannot be.
    """
    named: dict[str, Any] = {name: int(each) if name in _NUMBERS else each for name, each in fields.items()}
    if kind == AssetScope.kind:
        return AssetScope(**named)
    return {TaskScope.kind: TaskScope, XComScope.kind: XComScope}[kind](**named, map_index=map_index)


@dataclass(frozen=True, slots=True)
class Address:
    """A scope and a key inside it.

    Raises:
        AddressError: The key is not text, is too long or cannot be encoded as UTF-8.
    """

    scope: Scope
    key: str

    def __post_init__(self) -> None:
        """Refuse a key that no store could hold under its name."""
        _check_text("key", self.key)


def check_address(address: object) -> None:
    """Refuse what is given in place of an address.

    Raises:
        AddressError: It is no `Address`.
    """
    if not isinstance(address, Address):
        raise AddressError(f"an address is a lamella.Address(scope, key), not a {type(address).__name__}")


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise AddressError(f"{name} must be a str, not {type(text).__name__}")
    if len(text) > _MAX_TEXT_CHARS:
        raise AddressError(f"{name} has {len(text)} characters, the limit is {_MAX_TEXT_CHARS}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise AddressError(
                f"{name} holds a lone surrogate and cannot be encoded as UTF-8; clean it before use"
            ) from None


def _check_index(name: str, index: object, lowest: int, highest: int = _MAX_MAP_INDEX) -> None:
    if type(index) is not int or not lowest <= index <= highest:
        raise AddressError(f"{name} must be an int from {lowest} to {highest}")
