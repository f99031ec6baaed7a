"""The way out for what nobody names: parts of writers that died, and of values that a smaller one replaced."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from lamella.errors import InvalidValueError, ObjectNotFoundError
from lamella.flow.edge import storing
from lamella.flow.erase import erasable_stores, place_of_part, remove_generation
from lamella.flow.head import UNOPENABLE, named_generation
from lamella.wire.locator import ALL_PARTS, KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamella.flow.engine import Engine
    from lamella.protocols.store import Store
    from lamella.wire.locator import Place

__all__ = ["sweep"]

_ANY_KIND = KINDS[0]


def sweep(engine: Engine, *, older_than_seconds: float, dry_run: bool) -> int:
    """Remove the generations that no head names and that nobody wrote to for a while; return their number.

    A head that cannot be opened may name any generation, so its parts stay.

    Raises:
        InvalidValueError: The age is not a finite number from 0 on.
        StoreError: A store failed; call again.
    """
    # Not a number is never less than anything, so it would spare no write in progress.
    if not isinstance(older_than_seconds, (int, float)) or not 0 <= older_than_seconds < math.inf:
        raise InvalidValueError("older_than_seconds must be a finite number from 0 on, as in 86_400 for a day")
    count = 0
    for store in erasable_stores(engine):
        if not store.lists:
            continue
        with storing(ALL_PARTS):
            for place, generation in _unnamed(engine, store, older_than_seconds):
                count += 1
                if not dry_run:
                    remove_generation(store, place, generation)
    return count


def _unnamed(engine: Engine, store: Store, older_than_seconds: float) -> Iterator[tuple[Place, bytes]]:
    newest: dict[tuple[Place, bytes], float] = {}
    for part in store.list(ALL_PARTS):
        found = place_of_part(_ANY_KIND, part.locator)
        if found is not None:
            newest[found] = max(newest.get(found, 0.0), part.modified_at)
    for (place, generation), written_at in newest.items():
        if time.time() - written_at >= older_than_seconds and not _may_be_named(engine, store, place, generation):
            yield place, generation


def _may_be_named(engine: Engine, store: Store, place: Place, generation: bytes) -> bool:
    """Tell whether the head at a place may name a generation; a locator does not say of which kind it is."""
    for kind in KINDS:
        try:
            _, stream = store.get(place.head)
        except ObjectNotFoundError:
            return False
        try:
            return named_generation(engine, place._replace(kind=kind), stream) == generation
        except UNOPENABLE:
            continue
    return True
