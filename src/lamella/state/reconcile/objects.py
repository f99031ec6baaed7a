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

from lamella.errors import (
    IntegrityError,
    KeyringError,
    LimitExceededError,
    ObjectNotFoundError,
    RefError,
    StoreConflictError,
)
from lamella.flow.edge import storing
from lamella.flow.read import Source, read
from lamella.policy import Accept, Policy
from lamella.wire.locator import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamella.flow.engine import Engine
    from lamella.protocols.store import Store, Version
    from lamella.scope import Address

__all__ = ["address_of", "for_naming", "is_there", "remove"]

_HEAD: Final = re.compile(r"o1/(?P<scope>[0-9a-f]{32})/(?P<index>-1|0|[1-9][0-9]{0,9})/(?P<key>[0-9a-f]{32})")
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
        with suppress(IntegrityError, RefError, KeyringError, LimitExceededError):
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


def remove(
    store: Store, orphans: Mapping[str, Address], oldest_young: float, is_named: Callable[[Address, str], bool]
) -> int:
    """Remove the orphans of one folder, and return how many went; the others changed, or somebody names them now.

    First the versions, then the ages, then the row: a write that comes before the first look is seen as young, and one
    that comes after it has another version.

    Args:
        store: Has them, and deletes under a condition.
        orphans: Their addresses by locator, all in one folder.
        oldest_young: What was put after this time stays, in seconds since 1970-01-01 UTC.
        is_named: Tells whether a row names an object now.

    Raises:
        StoreError: The store failed; call again.
    """
    folder = next(iter(orphans)).rpartition("/")[0] + "/"
    versions: dict[str, Version] = {}
    for locator in orphans:
        with suppress(ObjectNotFoundError), storing(locator):
            versions[locator] = store.get(locator)[0]
    with storing(folder):
        young = {each.locator for each in store.list(folder) if each.modified_at > oldest_young}
    removed = 0
    for locator in versions.keys() - young:
        if not is_named(orphans[locator], locator):
            with suppress(StoreConflictError), storing(locator):
                store.delete(locator, if_version=versions[locator])
                removed += 1
    return removed
