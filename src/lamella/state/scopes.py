"""The scopes of state, read off whatever the host hands in.

A host has scope classes of its own, in several copies, so they are read by attribute and never by class.

Source: docs/state.md, "Scopes".
"""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from lamella.errors import AddressError
from lamella.scope import NO_MAP_INDEX, AssetScope, TaskScope

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "NO_REGION",
    "AssetScope",
    "Owner",
    "StateScope",
    "TaskScope",
    "asset_owner",
    "owner_of",
    "owners_of",
    "unbound_owner",
]

StateScope = TaskScope | AssetScope

_ASSET_REF: Final = "lamella-asset-ref:"
"""What an `asset_ref` becomes the URI of: a scope that neither that name nor that URI has by itself."""
NO_REGION: Final = "00000000-0000-0000-0000-000000000000"
"""The region that Airflow gives a task outside of every region."""


class Owner(NamedTuple):
    """Whose value it is.

    Attributes:
        scope: The scope, as addresses have it.
        given: The scope as the host handed it in, which a wrapped backend gets.
        name: The `ti_id` or `asset_ref` that the host gave in place of a scope.
    """

    scope: StateScope
    given: Any
    name: str | None = None


def owner_of(given: Any) -> Owner:  # noqa: ANN401 - any class with the attributes of a scope
    """Read a scope by its attributes.

    Raises:
        AddressError: It has neither those of a task nor those of an asset, or one of them cannot be a name.
        ValueError: It is an asset without identity.
    """
    if isinstance(given, (TaskScope, AssetScope)):
        return Owner(given, given)
    if hasattr(given, "dag_id"):
        try:
            return Owner(_task(given), given)
        except AttributeError as error:
            raise AddressError("a task's scope has dag_id, run_id and task_id, and this one lacks some") from error
    named = {name: getattr(given, name, None) for name in ("asset_id", "name", "uri")}
    if named["asset_id"] is None and not any(hasattr(given, name) for name in named):
        raise AddressError(f"a scope is a task's or an asset's, not a {type(given).__name__}")
    if named["name"] == "" and (named["uri"] is not None or named["asset_id"] is not None):
        named["name"] = None  # A host that asks for an asset whose name is empty asks by the URI.
    return Owner(AssetScope(**named), given)


def owners_of(given: Any) -> Iterator[Owner]:  # noqa: ANN401 - any class with the attributes of a scope
    """Yield the owner that a scope names, then those whose `asset_ref` its name or URI may have been."""
    owner = owner_of(given)
    yield owner
    if isinstance(owner.scope, AssetScope):
        for name in dict.fromkeys((owner.scope.name, owner.scope.uri)):
            if name is not None:
                yield _as_of_host(asset_owner(name), given)


def asset_owner(asset_ref: str) -> Owner:
    """Return the owner for an `asset_ref`, which does not say whether it is a name or a URI."""
    if not isinstance(asset_ref, str):
        raise AddressError(f"asset_ref must be a str, not {type(asset_ref).__name__}")
    scope = AssetScope(uri=_ASSET_REF + asset_ref)
    return Owner(scope, scope, asset_ref)


def unbound_owner(ti_id: str) -> Owner:
    """Return the owner for a `ti_id` of which nobody said whose try it is: a scope of its own."""
    scope = TaskScope("", "", ti_id)
    return Owner(scope, scope, ti_id)


def _as_of_host(owner: Owner, asset: Any) -> Owner:  # noqa: ANN401 - any class with the attributes of a scope
    """Give an owner the scope in the host's own class, since a wrapped backend may tell scopes apart by it."""
    if not is_dataclass(asset):
        return owner
    fields: dict[str, Any] = {"asset_id": None, "name": None, "uri": dict(owner.scope.fields())["uri"]}
    return owner._replace(given=replace(cast("AssetScope", asset), **fields))


def _task(given: Any) -> TaskScope:  # noqa: ANN401 - any class with the attributes of a scope
    region_id = getattr(given, "region_id", None)
    map_index = getattr(given, "map_index", NO_MAP_INDEX)
    if region_id is None or str(region_id) == NO_REGION:
        fields: tuple[Any, ...] = (given.dag_id, given.run_id, given.task_id, map_index, None)
    else:
        # In a region the host stores by the region's own index, and clears all of them as "all map indices".
        region_index = getattr(given, "region_index", None)
        index = map_index if region_index is None else region_index
        fields = (given.dag_id, given.run_id, given.task_id, index, str(region_id))
    try:
        return _known_task(*fields)
    except TypeError:  # A field that cannot be hashed cannot be a name; this says which.
        return _known_task.__wrapped__(*fields)


@lru_cache(maxsize=1024, typed=True)
def _known_task(dag_id: str, run_id: str, task_id: str, map_index: int, region_id: str | None) -> TaskScope:
    """Make a scope whose fields are checked once: a task stores under one scope again and again."""
    return TaskScope(dag_id, run_id, task_id, map_index, region_id=region_id)
