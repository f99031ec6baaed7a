"""Moving what was written before into today's layers and store, row by row: `lamella airflow migrate`.

The object is written before its row, as Airflow does it, and no other value that is there is replaced; so a move that
dies is taken up by the next one, and a task that sets its key meanwhile wins. Where the store knows no conditions that
cannot be held, and no task may run.

Source: docs/airflow.md, "Coming from another backend".
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.state.metastore import MetastoreBackend

from lamella.airflow.destination import Destination, refuse_racing
from lamella.airflow.fallback import open_fallback
from lamella.airflow.migrate_report import Report
from lamella.airflow.rows import enveloped, keeper_of_rows, read_rows, read_value, replace_value, unwrapped
from lamella.airflow.settings import open_worker_stack, read_settings
from lamella.errors import (
    AddressError,
    ConfigError,
    InvalidValueError,
    KeyringError,
    LimitExceededError,
    ObjectNotFoundError,
    RefError,
    StoreConflictError,
    StoreError,
)
from lamella.scope import Address
from lamella.state.inner import unarmoured
from lamella.state.reconcile.rows import names_of, raw_names
from lamella.state.scopes import owner_of
from lamella.state.values import is_ref, load_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamella.airflow.fallback import Fallback
    from lamella.airflow.rows import Row
    from lamella.stack import Stack
    from lamella.state.scopes import Owner

__all__ = ["migrate"]


def migrate(
    *,
    apply: bool,
    plaintext_rows: bool,
    delete_old: bool,
    dags_paused: bool,
    watch: Callable[[str, Iterable[Row]], Iterable[Row]],
) -> Report:
    """Move every row, or say what would be moved.

    Args:
        apply: Move them.
        plaintext_rows: Those as well that hold their value themselves.
        delete_old: Remove what the earlier backend keeps of rows that an earlier run moved: of one that was moved just
            now somebody may have read the old ref.
        dags_paused: No task runs, so a store that knows no conditions will do.
        watch: Passes the rows on; gets a word for what they are, and the rows.

    Raises:
        ConfigError: The configuration cannot work, there is nothing to move by it, or the store knows no conditions.
        StoreError: Today's store failed, or the earlier backend does not answer; run it again.
    """
    backend = keeper_of_rows()
    if backend is not MetastoreBackend:
        raise ConfigError(
            f"[state_store] backend is {backend.__name__}, which keeps rows in another way than Airflow's own; set "
            "[state_store] backend = airflow.state.metastore.MetastoreBackend for this run, and move the rows before "
            "the server's side is switched on"
        )
    settings = read_settings()
    fallback = open_fallback(settings)
    if fallback is None and (delete_old or not plaintext_rows):
        raise ConfigError(
            "[lamella] fallback_backend: name the backend that wrote before, and migrate_until; or move what stands in "
            "the rows themselves by --plaintext-rows alone"
        )
    with closing(open_worker_stack()) as stack:
        if apply and not dags_paused:
            refuse_racing(stack)
        move = _Move(stack, fallback, plaintext_rows=plaintext_rows, delete_old=delete_old, report=Report(apply))
        for row in watch("rows", read_rows()):
            move.row(row)
    return move.report


class _LeftError(Exception):
    """A row that stays as it is."""

    def __init__(self, word: str, cause: Exception | None = None) -> None:
        super().__init__(word)
        self.word = word
        self.cause = cause


class _Move:
    """One run over the rows."""

    def __init__(
        self, stack: Stack, fallback: Fallback | None, *, plaintext_rows: bool, delete_old: bool, report: Report
    ) -> None:
        self.report = report
        self._engine = stack.engine
        self._to = Destination(stack)
        self._fallback = fallback
        self._plaintext_rows = plaintext_rows
        # Where the layers stand around the earlier backend itself, the old object was replaced in its place.
        replaces = fallback is None or self._to.is_inside(fallback.inner.inner)
        self._delete_old = delete_old and report.applied and not replaces

    def row(self, row: Row) -> None:
        """Move one row, and count what became of it."""
        try:
            self.report.counts[self._moved(row)] += 1
        except _LeftError as left:
            self.report.leave(left.word, _names(row), left.cause)

    def _moved(self, row: Row) -> str:
        try:
            document = load_document(row.value)
        except (InvalidValueError, LimitExceededError) as error:
            raise _LeftError("failed", error) from None
        ref = unwrapped(document)
        if is_ref(ref or document):
            self._remove_old_of(row, ref)
            return "lamella"
        if ref is None and not self._plaintext_rows:
            return "plain"
        if not row.is_active:
            return "inactive"
        try:
            owner, value = self._read(row, ref, document)
            new = self._to.keep(owner, row.key, value, apply=self.report.applied)
        except StoreConflictError as error:
            raise _LeftError("occupied", error) from None
        except (InvalidValueError, LimitExceededError, AddressError) as error:
            raise _LeftError("failed", error) from None
        if self.report.applied and not self._replaced(row, new):
            self._to.take_back()
            raise _LeftError("changed")
        return "moved"

    def _replaced(self, row: Row, new: str) -> bool:
        """Replace the value of a row, and tell whether it has the new ref: another migration may have set that."""
        value = enveloped(new)
        return replace_value(row, value) or read_value(row) == value

    def _read(self, row: Row, ref: str | None, document: Any) -> tuple[Owner, Any]:  # noqa: ANN401 - any JSON document
        """Return whose value a row has, and the value."""
        owners = [owner_of(scope) for scope in row.scopes]
        if ref is None:
            return owners[0], document
        fallback = self._fallback
        if fallback is None:
            raise _LeftError("refused", ConfigError("[lamella] fallback_backend: name the backend that wrote it"))
        owner = next((each for each in owners if fallback.owns(ref, each.scope)), owners[0])
        try:
            value = fallback.read_row(ref, owner.scope, row.key)
        except RefError as error:
            raise _LeftError("refused", error) from None
        except ObjectNotFoundError as error:
            is_same = read_value(row) == row.value  # Else a task deleted or replaced it, object and all.
            raise _LeftError("missing" if is_same else "changed", error if is_same else None) from None
        except StoreError as error:
            if error.transient:
                raise  # It would be so of every row.
            raise _LeftError("failed", error) from None
        # Layers around the earlier backend itself: a move that died, or a task, replaced the object in its place.
        return owner, value if unarmoured(value) is None else load_document(self._to.held(owner, row.key))

    def _remove_old_of(self, row: Row, ref: str | None) -> None:
        """Remove what the earlier backend keeps of a row that an earlier run moved."""
        if ref is None or not self._delete_old:
            return
        try:
            place = self._engine.verify(ref).place
            addresses = [Address(owner_of(scope).scope, row.key) for scope in row.scopes]
        except (RefError, KeyringError, AddressError):
            return  # Of another keyring, or copied into a row that can have none: whose it is cannot be told.
        for scope, address in zip(row.scopes, addresses, strict=True):
            if self._fallback is not None and self._engine.place(address) == place:
                try:
                    self._fallback.delete(scope, row.key)
                except StoreError:
                    self.report.counts["old_kept"] += 1


def _names(row: Row) -> dict[str, Any]:
    """Return what a report calls a row by; its columns, where they make no address."""
    try:
        return names_of(*(Address(owner_of(scope).scope, row.key) for scope in row.scopes))
    except AddressError:
        given = {name: part for scope in row.scopes for name, part in asdict(scope).items() if part is not None}
        return raw_names("task" if "dag_id" in given else "asset", {**given, "key": row.key})
