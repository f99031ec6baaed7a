"""The comparison: rows on one side, listings on the other, and a second look at whatever does not fit.

A host writes the object first and the row after it, and removes them in the other order or crashes in between. So
neither side is right by itself, and nothing is believed of a first look.

Source: docs/airflow.md, "Reconciling".
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeVar

from lamella.errors import ConfigError, ObjectNotFoundError, StoreConflictError
from lamella.flow.edge import storing
from lamella.state.reconcile.objects import address_of, for_naming, is_there, remove, version_of
from lamella.state.reconcile.report import (
    BYPASSED,
    DANGLING,
    ELSEWHERE,
    FALLBACK,
    FOREIGN,
    MISPLACED,
    ORPHANED,
    OTHER,
    UNOPENED,
    YOUNG,
    Report,
)
from lamella.state.reconcile.rows import judge, names_of
from lamella.state.reconcile.scratch import Listed, Scratch
from lamella.wire.locator import ALL_HEADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from lamella.flow.engine import Engine
    from lamella.protocols.store import Store
    from lamella.scope import Address
    from lamella.state.reconcile.rows import Rows

__all__ = ["Comparison", "reconcile"]

T = TypeVar("T")

_DAY_SECONDS: Final = 86_400
_KINDS: Final = ("asset", "task")
_UNRESOLVED: Final = frozenset({BYPASSED, FALLBACK, FOREIGN, MISPLACED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is compared, and what may be done about it.

    Attributes:
        engine: The stack's engine.
        rows: The host's rows.
        grace_seconds: How long an object may be without its row: the row may be on its way.
        delete: Remove orphaned objects.
        even_without_refs: Remove them also where no row refers to any object.
        max_examples: How many of each finding are named.
        watch: Passes an iterable on and counts it, under the word that is given.
    """

    engine: Engine
    rows: Rows
    grace_seconds: float
    delete: bool = False
    even_without_refs: bool = False
    max_examples: int = 20
    watch: Callable[[str, Iterable[T]], Iterable[T]] = lambda _, each: each


def reconcile(comparison: Comparison) -> Report:
    """Compare every row with every object, and remove orphaned objects where that is wanted.

    Raises:
        ConfigError: No store of the stack can list, or the rows seem to be those of another deployment.
        StoreError: A store failed; what was removed is removed, call again.
    """
    each = comparison
    stores = _listing(each.engine)
    report = Report(max_examples=each.max_examples)
    oldest_young = time.time() - each.grace_seconds
    with Scratch() as scratch:
        scratch.add_refs(_refs(each, report))
        for alias, store in stores.items():
            scratch.add_objects(each.watch("objects", _objects(report, alias, store)))
        if each.delete and not each.even_without_refs and not scratch.has_refs():
            _refuse_if_any(scratch, oldest_young)
        for listed in scratch.elsewhere():
            report.add(ELSEWHERE, **_shown(listed))
        _judge_orphans(each, report, scratch, oldest_young)
        for token in each.watch("rows without an object", scratch.dangling()):
            _judge_dangling(each, report, token)
        if report.counts[DANGLING]:
            report.notes.extend(
                f"rows refer to the store {alias!r}, and it holds not one object: look first whether its place is the "
                "right one, and mounted"
                for alias in scratch.hollow()
            )
    if each.delete:
        report.notes.extend(
            f"the store {alias!r} deletes under no condition, so its orphaned objects stay"
            for alias, store in stores.items()
            if not store.conditional_put
        )
    return report


def _listing(engine: Engine) -> dict[str, Store]:
    found = {alias: store for alias, store in engine.stores.items() if store.lists and not store.in_ref}
    if not found:
        raise ConfigError(
            f"the store {engine.alias!r} keeps values in rows or in another backend, or cannot list: there are no "
            "objects here to compare rows with"
        )
    return found


def _refs(each: Comparison, report: Report) -> Iterator[tuple[str, str | None, str]]:
    """Yield what rows name, and report what is wrong with them by themselves."""
    for row in each.watch("rows", each.rows.scan()):
        report.rows += 1
        judged = judge(each.engine, row)
        if judged.found:
            report.add(judged.found, **row.names, reason=judged.reason, locator=judged.locator)
        if judged.locator is not None:
            yield judged.locator, judged.alias, row.token


def _objects(report: Report, alias: str, store: Store) -> Iterator[Listed]:
    with storing(ALL_HEADS):
        for each in store.list(ALL_HEADS):
            report.objects += 1
            yield Listed(alias, each.locator, each.modified_at)


def _refuse_if_any(scratch: Scratch, oldest_young: float) -> None:
    if any(listed.modified_at <= oldest_young for listed in scratch.orphans()):
        raise ConfigError(
            "not one row refers to an object of this store, so the metadata database may be that of another "
            "deployment; look at [database] sql_alchemy_conn, and give --yes if it is the right one"
        )


def _judge_orphans(each: Comparison, report: Report, scratch: Scratch, oldest_young: float) -> None:
    naming = for_naming(each.engine)
    watched = each.watch("objects without a row", scratch.orphans())
    for (alias, folder), group in groupby(watched, lambda listed: (listed.alias, listed.locator.rpartition("/")[0])):
        store, unwanted = each.engine.stores[alias], 0
        removes = each.delete and store.conditional_put
        for listed in group:
            if listed.modified_at > oldest_young:
                report.add(YOUNG, **_shown(listed))
            elif (address := _orphan(each, report, naming, store, listed)) is not None and removes:
                unwanted += 1
                if (version := version_of(store, listed.locator)) is not None:
                    scratch.add_unwanted(listed.locator, version, address)
        if unwanted:
            removed = remove(store, f"{folder}/", scratch, oldest_young, lambda *named: _is_named(each, *named))
            report.deleted += removed
            report.kept += unwanted - removed


def _orphan(each: Comparison, report: Report, naming: Engine, store: Store, listed: Listed) -> Address | None:
    """Open an object and look for its row once more; return its address if nobody refers to it."""
    with suppress(ObjectNotFoundError, StoreConflictError):
        address = address_of(naming, store, listed.locator)
        if address is None:
            report.add(UNOPENED, **_shown(listed))
        elif address.scope.kind not in _KINDS:
            report.add(OTHER, **_shown(listed))
        elif not _is_named(each, address, listed.locator):
            report.add(ORPHANED, **names_of(address), **_shown(listed))
            return address
    return None


def _is_named(each: Comparison, address: Address, locator: str) -> bool:
    """Tell whether a row at an address names an object now, or holds what may have taken that ref's place.

    A row that bypassed the backend, or has another row's ref, may be an attacker's, and the object the good copy. One
    with an earlier backend's ref may be about to be moved.
    """
    judged = [judge(each.engine, row) for row in each.rows.at(address)]
    return any(one.locator == locator or one.found in _UNRESOLVED for one in judged)


def _judge_dangling(each: Comparison, report: Report, token: str) -> None:
    row = each.rows.again(token)
    judged = None if row is None else judge(each.engine, row)
    if row is None or judged is None or judged.locator is None or judged.alias is None:
        return
    if not is_there(each.engine.stores[judged.alias], judged.locator):
        report.add(DANGLING, **row.names, store=judged.alias, locator=judged.locator)


def _shown(listed: Listed) -> Mapping[str, str | float]:
    age_days = round((time.time() - listed.modified_at) / _DAY_SECONDS, 2)
    return {"store": listed.alias, "locator": listed.locator, "age_days": age_days}
