"""Airflow's rows beside the objects of the worker's stack: `lamella airflow reconcile`.

Airflow removes rows in many places without telling a worker's backend, and has no way to find what that left behind.
The metadata database is read and never written, page by page, through the connection of the deployment.

Source: docs/airflow.md, "Reconciling".
"""

from __future__ import annotations

import json
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel as Assets
from airflow.models.task_state_store import TaskStateStoreModel as Tasks
from airflow.state.metastore import MetastoreBackend
from sqlalchemy import func, select

from lamella.airflow.rows import (
    HAS_REGIONS,
    MAP_INDEX,
    enveloped,
    keeper_of_rows,
    select_page,
    select_rows,
    unwrapped,
)
from lamella.airflow.settings import open_metastore_stack, open_worker_stack, read_settings
from lamella.errors import (
    AddressError,
    ConfigError,
    IntegrityError,
    KeyringError,
    LimitExceededError,
    MalformedRefError,
    RefError,
)
from lamella.scope import Address, AssetScope
from lamella.state.reconcile.compare import Comparison, reconcile
from lamella.state.reconcile.report import BYPASSED, FALLBACK, FOREIGN, IN_ROW
from lamella.state.reconcile.rows import Row, raw_names
from lamella.state.scopes import NO_REGION, TaskScope, owner_of
from lamella.state.values import QUOTED_REF, get_text
from lamella.wire.ref import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamella.stack import Stack
    from lamella.state.reconcile.report import Report

__all__ = ["AirflowRows", "run"]

_ENVELOPED: Final = enveloped(PREFIX).partition(PREFIX)[0] + PREFIX
_MAX_CHARS: Final = 128 * 1024
"""How much of a row is read: more than any row that leads to an object has."""

_TASK: Final = (
    *(Tasks.id, Tasks.dag_id, Tasks.run_id, Tasks.task_id, MAP_INDEX.label("map_index"), Tasks.key),
    func.substr(Tasks.value, 1, _MAX_CHARS).label("text"),
    *((Tasks.region_id,) if HAS_REGIONS else ()),
)
_ASSET: Final = (
    *(Assets.asset_id, AssetModel.name, AssetModel.uri, Assets.key),
    func.substr(Assets.value, 1, _MAX_CHARS).label("text"),
)


def run(**options: Any) -> Report:  # noqa: ANN401 - the fields of a `Comparison` beside engine and rows
    """Compare the deployment's rows with the objects of its worker's stack, as its settings name them.

    Raises:
        ConfigError: The settings cannot work, or the rows are not in the metadata database.
        KeyringError: The keyring cannot be opened.
        StoreError: A store or the metadata database failed.
    """
    backend = keeper_of_rows()
    if not issubclass(backend, MetastoreBackend):
        raise ConfigError(
            f"[state_store] backend is {backend.__name__}, which may keep rows elsewhere than in the metadata "
            "database; what refers to an object cannot be told"
        )
    has_fallback = bool(read_settings().fallback_backend)
    with closing(open_worker_stack()) as stack, closing(AirflowRows(has_fallback=has_fallback)) as rows:
        return reconcile(Comparison(engine=stack.engine, rows=rows, **options))


class AirflowRows:
    """The rows of task and asset state, each call as the metadata database has them at that moment.

    Args:
        has_fallback: Refs that are not Lamella's are those of the fallback backend.
    """

    def __init__(self, *, has_fallback: bool) -> None:
        """Read nothing yet."""
        self._not_ours = FALLBACK if has_fallback else BYPASSED

    def close(self) -> None:
        """Give back what reading sealed rows opened."""
        if "_metastore" in vars(self):
            self._metastore.close()

    def scan(self) -> Iterator[Row]:
        """Yield every row, page by page."""
        yield from map(self._task, select_rows(select(*_TASK), Tasks.id))
        yield from map(self._asset, select_rows(_assets(), Assets.asset_id, Assets.key))

    def again(self, token: str) -> Row | None:
        """Return a row as it is now, None where it is gone."""
        table, number, key = token.split(":", 2)
        if table == "task":
            return next(map(self._task, select_page(select(*_TASK).where(Tasks.id == int(number)))), None)
        found = select_page(_assets().where(Assets.asset_id == int(number), Assets.key == key))
        return next(map(self._asset, found), None)

    def at(self, address: Address) -> list[Row]:
        """Return the rows that belong to an address, those of every asset of a name or URI included."""
        scope = address.scope
        if isinstance(scope, TaskScope):
            region = _region(scope)
            if region is None:
                return []
            is_it = (Tasks.dag_id == scope.dag_id, Tasks.run_id == scope.run_id, Tasks.task_id == scope.task_id)
            query = select(*_TASK).where(*is_it, scope.map_index == MAP_INDEX, Tasks.key == address.key, *region)
            return [*map(self._task, select_page(query))]
        columns = {"name": AssetModel.name, "uri": AssetModel.uri, "asset_id": Assets.asset_id}
        ((named, _),) = scope.fields()
        query = _assets().where(columns[named] == getattr(scope, named), Assets.key == address.key)
        return [*map(self._asset, select_page(query))]

    def _task(self, row: Any) -> Row:  # noqa: ANN401 - a row of SQLAlchemy
        return self._row(f"task:{row.id}:", _task_addresses, row)

    def _asset(self, row: Any) -> Row:  # noqa: ANN401 - a row of SQLAlchemy
        return self._row(f"asset:{row.asset_id}:{row.key}", _asset_addresses, row)

    def _row(self, token: str, addresses_of: Callable[[Any], tuple[Address, ...]], row: Any) -> Row:  # noqa: ANN401 - likewise
        try:
            addresses = addresses_of(row)
        except AddressError:  # No worker and no server has one, so somebody else wrote it.
            ref, columns = _enveloped(row.text), {**row._asdict(), "text": None, "id": None}
            is_ours = ref is not None and ref.startswith(PREFIX)
            return Row(token, (), ref if is_ours else None, BYPASSED, raw_names(token.partition(":")[0], columns))
        ref, found = self._held(row.text, addresses[-1])
        return Row(token, addresses, ref, found)

    def _held(self, text: object, own: Address) -> tuple[str | None, str]:
        """Return the ref of Lamella's that a row holds, or else what it holds; what is sealed there is of `own`."""
        if not isinstance(text, str):  # SQLite keeps bytes in a column of texts.
            return None, BYPASSED
        if len(text) == _MAX_CHARS:
            return None, IN_ROW if text.startswith((QUOTED_REF, _ENVELOPED)) else BYPASSED
        is_sealed = text.startswith(QUOTED_REF)
        if is_sealed:
            try:
                text = get_text(self._metastore, own, text[1:-1])
            except MalformedRefError:
                is_sealed = False
            except (RefError, KeyringError, IntegrityError, LimitExceededError):
                return None, FOREIGN
        ref = _enveloped(text)
        if ref is None:
            return None, IN_ROW if is_sealed else BYPASSED
        return (ref, "") if ref.startswith(PREFIX) else (None, self._not_ours)

    @cached_property
    def _metastore(self) -> Stack:
        return open_metastore_stack()


def _task_addresses(row: Any) -> tuple[Address, ...]:  # noqa: ANN401 - a row of SQLAlchemy
    return (Address(owner_of(row).scope, row.key),)


def _asset_addresses(row: Any) -> tuple[Address, ...]:  # noqa: ANN401 - a row of SQLAlchemy
    # The worker knows an asset by its name or its URI, the server by its number.
    by_name = (AssetScope(name=row.name), AssetScope(uri=row.uri)) if row.name is not None else ()
    return tuple(Address(scope, row.key) for scope in (*by_name, AssetScope(asset_id=row.asset_id)))


def _assets() -> Any:  # noqa: ANN401 - what SQLAlchemy makes
    return select(*_ASSET).outerjoin(AssetModel, AssetModel.id == Assets.asset_id)


def _region(scope: TaskScope) -> tuple[Any, ...] | None:
    """Return the conditions that a scope's region makes, None where no row of this Airflow can have it."""
    try:
        region_id = UUID(NO_REGION if scope.region_id is None else scope.region_id)
    except ValueError:
        return None
    if HAS_REGIONS:
        return (Tasks.region_id == region_id,)
    return () if region_id == UUID(NO_REGION) else None


def _enveloped(text: str) -> str | None:
    """Return what stands in the host's envelope around a ref, None where there is no envelope with a text in it."""
    try:
        return unwrapped(json.loads(text))
    except (ValueError, RecursionError):
        return None
