"""The way to nothing: heads first, then whatever parts are listed, whatever today's stack is.

A writer may be putting parts while an erasure lists them. Either it finds them gone after its commit and fails, or the
erasure finds its head and takes that too: what stays is a whole value or nothing.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lamella.errors import StoreConflictError, StoreError
from lamella.flow.edge import storing
from lamella.flow.head import current_generation
from lamella.protocols.store import Absent, is_locator
from lamella.wire.locator import ALL_PARTS, PLACE_PATTERN, Place, scope_prefixes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamella.flow.engine import Engine
    from lamella.protocols.store import Store, StoredObject
    from lamella.scope import Address, Scope

__all__ = ["clear", "delete", "delete_version", "erasable_stores", "place_of_part", "remove_generation"]

_PART: Final = re.compile(rf"{ALL_PARTS}{PLACE_PATTERN}/(?P<generation>[0-9a-f]{{32}})/[0-9]{{8}}", re.ASCII)


def delete(engine: Engine, address: Address) -> None:
    """Remove what every configured store holds at an address.

    Raises:
        StoreError: A store failed; call again, what is gone already is no error.
    """
    place = engine.place(address)
    for store in erasable_stores(engine):
        with storing(place.head):
            store.delete(place.head)
            if store.lists:
                _remove_parts(engine, store, place.kind, place.parts)


def clear(engine: Engine, scope: Scope, *, all_map_indices: bool) -> None:
    """Remove what every configured store holds in a scope, of its map index or of all.

    Raises:
        StoreError: A store failed; call again, what is gone already is no error.
    """
    heads, parts = scope_prefixes(engine.scope_id(scope), None if all_map_indices else scope.map_index)
    for store in erasable_stores(engine):
        if not store.lists:
            raise StoreError(f"{store.scheme}:// does not list, so a scope cannot be cleared; delete key by key")
        with storing(heads):
            for head in _listed(store, heads):
                store.delete(head.locator)
            _remove_parts(engine, store, scope.kind, parts)


def remove_generation(store: Store, place: Place, generation: bytes) -> None:
    """Remove the parts of one generation that no head names."""
    for part in _listed(store, place.generation(generation)):
        store.delete(part.locator)


def delete_version(engine: Engine, store: Store, place: Place, generation: bytes) -> None:
    """Remove a head that lost its parts, unless a newer value replaced it."""
    version, current = current_generation(engine, store, place)
    if current != generation:
        return
    if_version = None if isinstance(version, Absent) or not store.conditional_put else version
    with suppress(StoreConflictError):
        store.delete(place.head, if_version=if_version)


def erasable_stores(engine: Engine) -> Iterator[Store]:
    """Yield the stores, that of today's writes last: an older value must not outlive the newest one."""
    return (store for store in reversed(list(engine.stores.values())) if not store.in_ref)


def _remove_parts(engine: Engine, store: Store, kind: str, prefix: str) -> None:
    """Remove listed parts, but not those of a head that was committed in the meantime."""
    kept: dict[tuple[Place, bytes], bool] = {}
    for part in _listed(store, prefix):
        found = place_of_part(kind, part.locator)
        if found is None:  # No writer names a part so, and no reader looks for it.
            store.delete(part.locator)
            continue
        if found not in kept:
            kept[found] = current_generation(engine, store, found[0])[1] == found[1]
        if not kept[found]:
            store.delete(part.locator)
    for (place, generation), keep in kept.items():
        if not keep:
            delete_version(engine, store, place, generation)


def _listed(store: Store, prefix: str) -> Iterator[StoredObject]:
    """List what may be removed; what is named as no object can be, the store would refuse to remove at every try."""
    return (found for found in store.list(prefix) if is_locator(found.locator))


def place_of_part(kind: str, locator: str) -> tuple[Place, bytes] | None:
    """Return the place and the generation of a part, None for a locator that no writer makes."""
    match = _PART.fullmatch(locator)
    if match is None:
        return None
    return Place(kind, match["scope"], int(match["index"]), match["key"]), bytes.fromhex(match["generation"])
