"""The one step that makes a split value the value: its head replaces what was there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.errors import StoreConflictError
from lamella.flow.erase import delete_version, remove_generation
from lamella.flow.head import current_generation

if TYPE_CHECKING:
    from lamella.flow.engine import Engine
    from lamella.protocols.store import Store
    from lamella.wire.head import HeadRecord
    from lamella.wire.locator import Place

__all__ = ["commit"]

_COMMIT_TRIES = 5


def commit(engine: Engine, place: Place, envelope: bytes, head: HeadRecord) -> None:
    """Replace the head in one step, and remove the parts of the generation that it replaced.

    After any other error than a conflict the head may have been replaced, so the parts stay: a later delete finds them.

    Raises:
        StoreConflictError: Others kept writing, or erased the parts in the meantime.
    """
    store = engine.store
    _require_parts(store, place, head)
    version, replaced = current_generation(engine, store, place)
    for _ in range(_COMMIT_TRIES):
        try:
            store.put(place.head, (envelope,), if_version=version if store.conditional_put else None)
            break
        except StoreConflictError:
            version, current = current_generation(engine, store, place)
            if current == head.generation:  # The put was made, and repeated below us.
                break
            replaced = current
    else:
        remove_generation(store, place, head.generation)
        raise StoreConflictError("others kept writing this value; try again", locator=place.head)
    try:
        _require_parts(store, place, head)
    except StoreConflictError:
        if current_generation(engine, store, place)[1] == head.generation:
            delete_version(engine, store, place, head.generation)
            raise
        # It was the value, and a newer one or an erasure took its place since: written again, it would undo that.
    if replaced is not None:
        remove_generation(store, place, replaced)


def _require_parts(store: Store, place: Place, head: HeadRecord) -> None:
    """Look whether all parts are there: before the commit, so that little is lost, and after it, to be sure.

    Raises:
        StoreConflictError: Some were erased, and the others are now.
    """
    if sum(1 for _ in store.list(place.generation(head.generation))) != head.part_count:
        remove_generation(store, place, head.generation)
        raise StoreConflictError("the value was erased while it was written; write it again", locator=place.head)
