"""The rows of a host's database, and what each of them says about the stores.

Source: docs/airflow.md, "Reconciling".
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from lamella.errors import KeyringError, MalformedRefError, RefError
from lamella.state.reconcile.report import BYPASSED, FOREIGN, IN_ROW, MISPLACED
from lamella.wire.ref import peek_ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lamella.flow.engine import Engine
    from lamella.scope import Address
    from lamella.wire.ref import Ref

__all__ = ["Judged", "Row", "Rows", "judge", "names_of", "raw_names"]

_MAX_SHOWN_CHARS: Final = 256
_NO_NAMES: Final[Mapping[str, Any]] = MappingProxyType({})


class Row(NamedTuple):
    """One row of a host's database.

    Attributes:
        token: By what the host finds it again.
        addresses: The addresses that a ref in it may be of: an asset has several; none where its columns make none.
        ref: The Lamella ref that it holds, None where it holds none.
        found: What it holds in place of one, a name of `report.FINDINGS`.
        raw: The `raw_names` of one without an address.
    """

    token: str
    addresses: tuple[Address, ...]
    ref: str | None
    found: str = ""
    raw: Mapping[str, Any] = _NO_NAMES

    @property
    def names(self) -> Mapping[str, Any]:
        """What a report calls it by."""
        return names_of(*self.addresses) if self.addresses else self.raw


class Rows(Protocol):
    """The rows of a host's database, each call as they are at that moment."""

    def scan(self) -> Iterator[Row]:
        """Yield every row, in bounded memory."""

    def again(self, token: str) -> Row | None:
        """Return a row as it is now, None where it is gone."""

    def at(self, address: Address) -> Sequence[Row]:
        """Return the rows that belong to an address."""


class Judged(NamedTuple):
    """What a row says about the stores.

    Attributes:
        found: What is wrong or worth a count, empty for a ref in its own row.
        locator: The object that it names; where the ref does not verify, the one that it claims to name.
        alias: The store that has to have the object, None where nobody can tell.
        reason: Why a ref is of no use here.
    """

    found: str = ""
    locator: str | None = None
    alias: str | None = None
    reason: str | None = None


def judge(engine: Engine, row: Row) -> Judged:
    """Say what a row is worth to a stack."""
    if row.ref is None:
        return Judged(row.found)
    try:
        ref = engine.verify(row.ref)
    except MalformedRefError:
        return Judged(BYPASSED)
    except (RefError, KeyringError) as error:
        return Judged(FOREIGN, _claimed(engine, row.ref), reason=type(error).__name__)
    is_own = any(engine.place(address) == ref.place for address in row.addresses)
    return _judge_ref(engine, ref, is_own=is_own)


def names_of(*addresses: Address) -> dict[str, Any]:
    """Return the names in addresses of one scope and key, for a report."""
    names: dict[str, Any] = {name: text for each in addresses for name, text in each.scope.fields()}
    first = addresses[0]
    if first.scope.map_index >= 0:
        names["map_index"] = first.scope.map_index
    return {"kind": first.scope.kind, **names, "key": first.key}


def raw_names(kind: str, columns: Mapping[str, object]) -> dict[str, Any]:
    """Return the columns of a row that make no address, those that are not None; of a long text the beginning."""
    given = {name: each for name, each in columns.items() if each is not None}
    shown = {name: each if isinstance(each, int) else str(each)[:_MAX_SHOWN_CHARS] for name, each in given.items()}
    return {"kind": kind, **shown}


def _judge_ref(engine: Engine, ref: Ref, *, is_own: bool) -> Judged:
    alias = engine.renamed.get(ref.alias, ref.alias)
    store = engine.stores.get(alias)
    if store is None:
        return Judged(FOREIGN, ref.place.head, reason=f"no store {ref.alias!r}")
    if store.in_ref != (ref.body is not None):
        return Judged(FOREIGN, ref.place.head, reason=f"the store {ref.alias!r} is of another kind now")
    found = "" if is_own else MISPLACED
    return Judged(found or IN_ROW) if store.in_ref else Judged(found, ref.place.head, alias)


def _claimed(engine: Engine, text: str) -> str | None:
    """Return the locator that a ref claims, so that nothing is taken for an orphan whose key is only missing here."""
    try:
        return peek_ref(text, engine.limits).place.head
    except RefError:
        return None
