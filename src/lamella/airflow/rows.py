"""The rows of Airflow's two state tables, read page by page through its own models, and replaced one by one.

Source: docs/airflow.md, "Coming from another backend".
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow.exceptions import AirflowConfigException
from airflow.models.asset import AssetActive, AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel as Assets
from airflow.models.task_state_store import TaskStateStoreModel as Tasks
from airflow.sdk.state import AssetScope, TaskScope
from airflow.state import resolve_state_backend
from airflow.utils.session import create_session
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from lamella.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "HAS_REGIONS",
    "MAP_INDEX",
    "Row",
    "count_rows",
    "enveloped",
    "keeper_of_rows",
    "read_rows",
    "read_value",
    "replace_value",
    "select_page",
    "select_rows",
    "unwrapped",
]

HAS_REGIONS: Final = hasattr(Tasks, "region_id")
MAP_INDEX: Final = Tasks.region_index if HAS_REGIONS else Tasks.map_index
"""Airflow 3.4 keeps the map index in the column of a region's index."""

_MARK: Final = "__airflow_state_ref__"
"""The one key of the document that Airflow keeps for a value which a worker's backend took."""
_PAGE_ROWS: Final = 256
_TASK: Final = (
    *(Tasks.id, Tasks.key, Tasks.value, Tasks.updated_at, Tasks.dag_id, Tasks.run_id, Tasks.task_id, MAP_INDEX),
    *((Tasks.region_id,) if HAS_REGIONS else ()),
)
_ASSET: Final = (
    *(Assets.asset_id, Assets.key, Assets.value, Assets.updated_at, AssetModel.name, AssetModel.uri),
    AssetActive.name.is_not(None),
)


class Row(NamedTuple):
    """One row.

    Attributes:
        model: Its table.
        identity: The values of its primary key, in their order.
        scopes: Whose value it may be, as the worker's accessors call it: an asset by name, then by URI.
        key: Its key.
        value: Its JSON text.
        updated_at: When it was written.
        is_active: Tasks can read it: rows of an asset that no DAG names any more cannot be.
    """

    model: Any
    identity: tuple[int, ...] | tuple[int, str]
    scopes: tuple[Any, ...]
    key: str
    value: str
    updated_at: Any
    is_active: bool = True


def keeper_of_rows() -> type[Any]:
    """Return the class with which the API server keeps rows.

    Raises:
        ConfigError: Airflow cannot use what is configured.
    """
    try:
        keeper: type[Any] = resolve_state_backend()
    except (AirflowConfigException, ImportError, TypeError, ValueError) as error:
        raise ConfigError(
            f"[state_store] backend: Airflow itself refuses it with {type(error).__name__}; the worker's class belongs "
            "to [workers] state_store_backend, and here airflow.state.metastore.MetastoreBackend is the default"
        ) from error
    return keeper


def count_rows() -> int:
    """Return how many rows there are."""
    with _opened_session() as session:
        return sum(session.scalar(select(func.count()).select_from(each)) for each in (Tasks, Assets))


def read_rows() -> Iterator[Row]:
    """Yield every row, those of tasks first; no transaction is open while the caller works on one."""
    yield from map(_task, select_rows(select(*_TASK), Tasks.id))
    assets = (
        select(*_ASSET)
        .join(AssetModel, AssetModel.id == Assets.asset_id)
        .outerjoin(AssetActive, and_(AssetActive.name == AssetModel.name, AssetActive.uri == AssetModel.uri))
    )
    yield from map(_asset, select_rows(assets, Assets.asset_id, Assets.key))


def select_rows(query: Any, *key: Any) -> Iterator[Any]:  # noqa: ANN401 - what SQLAlchemy makes
    """Yield the rows of a query in the order of a key, page by page, each as it is then.

    Args:
        query: Selects the columns of the key, and others.
        key: The columns.
    """
    query = query.order_by(*key).limit(_PAGE_ROWS)
    page = select_page(query)
    while page:
        yield from page
        page = select_page(query.where(_behind([(column, getattr(page[-1], column.key)) for column in key])))


def select_page(query: Any) -> list[Any]:  # noqa: ANN401 - what SQLAlchemy makes
    """Read in a transaction of its own, so that no look sees what an earlier one saw."""
    with _opened_session() as session:
        found: list[Any] = session.execute(query).all()
    return found


def replace_value(row: Row, value: str) -> bool:
    """Replace the value of a row that is as it was read, and tell whether it was; its times and writers stay."""
    model = row.model
    # The column is set to itself, since some databases touch a timestamp in any update that does not.
    statement = (
        update(model)
        .where(*_is(row), model.value == row.value, model.updated_at == row.updated_at)
        .values(value=value, updated_at=model.updated_at)
        .execution_options(synchronize_session=False)
    )
    with _opened_session() as session:
        replaced: int = session.execute(statement).rowcount
    return replaced == 1


def read_value(row: Row) -> str | None:
    """Return the JSON text that a row holds now, None where it is gone."""
    with _opened_session() as session:
        value: str | None = session.scalar(select(row.model.value).where(*_is(row)))
    return value


def enveloped(ref: str) -> str:
    """Return the JSON text that Airflow keeps for a ref."""
    return json.dumps({_MARK: ref})


def unwrapped(document: object) -> str | None:
    """Return the ref of a row's document, None where a worker's backend did not make it."""
    ref = document[_MARK] if isinstance(document, dict) and document.keys() == {_MARK} else None
    return ref if isinstance(ref, str) and ref else None


@contextmanager
def _opened_session() -> Iterator[Any]:
    """Open a transaction of its own.

    Raises:
        StoreError: The metadata database failed, or a row cannot be read.
    """
    try:
        with create_session(scoped=False) as session:
            yield session
    except SQLAlchemyError as error:
        raise StoreError(
            f"the metadata database failed with {type(error).__name__}; look at [database] sql_alchemy_conn, whether "
            "`airflow db migrate` was run, and for a migration whether its user may write"
        ) from error
    except (TypeError, ValueError) as error:
        raise StoreError(
            "a row of the metadata database holds no time in updated_at or no UUID in region_id, as SQLite lets it; "
            f"look for it in {Tasks.__tablename__} and {Assets.__tablename__}, and mend or remove it"
        ) from error


def _is(row: Row) -> list[Any]:
    """Return the conditions that its primary key makes."""
    return [column == part for column, part in zip(row.model.__table__.primary_key, row.identity, strict=True)]


def _behind(held: Sequence[tuple[Any, Any]]) -> Any:  # noqa: ANN401 - what SQLAlchemy makes
    """Return the condition of coming after a row, by the columns of a key and what that row holds in them."""
    (column, part), *rest = held
    return or_(column > part, and_(column == part, _behind(rest))) if rest else column > part


def _task(found: Any) -> Row:  # noqa: ANN401 - a row of SQLAlchemy
    number, key, value, updated_at, *names = found
    return Row(Tasks, (number,), (TaskScope(*names),), key, value, updated_at)


def _asset(found: Any) -> Row:  # noqa: ANN401 - a row of SQLAlchemy
    asset_id, key, value, updated_at, name, uri, is_active = found
    return Row(Assets, (asset_id, key), _asset_scopes(name, uri), key, value, updated_at, is_active)


def _asset_scopes(name: str, uri: str) -> tuple[Any, ...]:
    by_uri = AssetScope(uri=uri)
    return (AssetScope(name=name), by_uri) if name else (by_uri,)
