"""Objects that no row seems to refer to: whose they are, and how they go.

An object is removed only at the version that was there before its age and its row were looked at for the last time, so
whoever writes it anew in the meantime keeps it.

Source: docs/airflow.md, "Reconciling".
"""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lamella.errors import ObjectNotFoundError, StoreConflictError
from lamella.flow.edge import storing
from lamella.flow.engine import Source
from lamella.flow.head import UNOPENABLE
from lamella.flow.read import read
from lamella.policy import Accept, Policy
from lamella.wire.locator import ALL_HEADS, PLACE_PATTERN, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.flow.engine import Engine
    from lamella.protocols.store import Store, Version
    from lamella.scope import Address
    from lamella.state.reconcile.scratch import Scratch

__all__ = ["address_of", "for_naming", "is_there", "remove", "version_of"]

_HEAD: Final = re.compile(ALL_HEADS + PLACE_PATTERN, re.ASCII)
_LIKELIEST_FIRST: Final = ("task", "asset", "xcom")


def for_naming(engine: Engine) -> Engine:
    """Return an engine that opens an object whatever its seal is worth: only its address is asked for.

    The address proves itself, since the locator is a MAC of it.
    """
    anything = Accept(strength=0, until=dt.date.max)
    return replace(engine, policy=Policy(allow_plaintext=True, accept=(anything,)))


def address_of(engine: Engine, store: Store, locator: str) -> Address | None:
    """Open an object as far as its address, which its locator does not tell; None where these keys do not open it.

    Raises:
        ObjectNotFoundError: It is gone.
        StoreConflictError: It is being replaced again and again.
        StoreError: The store failed.
    """
    match = _HEAD.fullmatch(locator)
    if match is None:
        return None
    for kind in _LIKELIEST_FIRST:
        place = Place(kind, match["scope"], int(match["index"]), match["key"])
        with suppress(*UNOPENABLE):
            address = read(engine, Source(store, place, locator), lambda lead, _: lead.address(), whole=True)
            if engine.place(address) == place:
                return address
    return None


def is_there(store: Store, locator: str) -> bool:
    """Ask a store for one object.

    Raises:
        StoreError: The store failed.
    """
    try:
        with storing(locator):
            store.get(locator)
    except ObjectNotFoundError:
        return False
    return True


def version_of(store: Store, locator: str) -> Version | None:
    """Return the version of an object, None where it is gone.

    Raises:
        StoreError: The store failed.
    """
    with suppress(ObjectNotFoundError), storing(locator):
        return store.get(locator)[0]
    return None


def remove(
    store: Store, folder: str, scratch: Scratch, oldest_young: float, is_named: Callable[[Address, str], bool]
) -> int:
    """Remove what is unwanted in one folder, and return how many went; the rest changed, or somebody names it now.

    First the versions, which were taken up before, then the ages, then the row: a write that comes before the first
    look is seen as young, and one that comes after it has another version.

    Args:
        store: Has it, and deletes under a condition.
        folder: Is listed once, however much there is in it.
        scratch: Knows what is unwanted there.
        oldest_young: What was put after this time stays, in seconds since 1970-01-01 UTC.
        is_named: Tells whether a row names an object now.

    Raises:
        StoreError: The store failed; call again.
    """
    with storing(folder):
        scratch.spare(each.locator for each in store.list(folder) if each.modified_at > oldest_young)
    removed = 0
    for locator, version, address in scratch.take_unwanted():
        if not is_named(address, locator):
            with suppress(StoreConflictError), storing(locator):
                store.delete(locator, if_version=version)
                removed += 1
    return removed
