"""The rows of Airflow's two state tables, read page by page through its own models, and replaced one by one.

Source: docs/airflow.md, "Coming from another backend".
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow.models.asset import AssetActive, AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.sdk.state import AssetScope, TaskScope
from airflow.utils.session import create_session
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from lamella.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Row", "count_rows", "enveloped", "opened_session", "read_rows", "read_value", "replace_value", "unwrapped"]

_MARK: Final = "__airflow_state_ref__"
"""The one key of the document that Airflow keeps for a value which a worker's backend took."""
_PAGE_ROWS: Final = 200


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


def count_rows() -> int:
    """Return how many rows there are."""
    with opened_session() as session:
        return sum(
            session.scalar(select(func.count()).select_from(each))
            for each in (TaskStateStoreModel, AssetStateStoreModel)
        )


def read_rows() -> Iterator[Row]:
    """Yield every row, those of tasks first; no transaction is open while the caller works on one."""
    for page in (_task_page, _asset_page):
        rows: list[Row] = page(())
        while rows:
            yield from rows
            rows = page(rows[-1].identity)


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
    with opened_session() as session:
        replaced: int = session.execute(statement).rowcount
    return replaced == 1


def read_value(row: Row) -> str | None:
    """Return the JSON text that a row holds now, None where it is gone."""
    with opened_session() as session:
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
def opened_session() -> Iterator[Any]:
    """Open a transaction of its own.

    Raises:
        StoreError: The metadata database failed.
    """
    try:
        with create_session(scoped=False) as session:
            yield session
    except SQLAlchemyError as error:
        raise StoreError(
            f"the metadata database failed with {type(error).__name__}; look at [database] sql_alchemy_conn, and "
            "whether `airflow db migrate` was run"
        ) from error


def _is(row: Row) -> list[Any]:
    """Return the conditions that its primary key makes."""
    return [column == part for column, part in zip(row.model.__table__.primary_key, row.identity, strict=True)]


def _task_page(after: tuple[Any, ...]) -> list[Row]:
    model = TaskStateStoreModel
    # Airflow 3.4 keeps the map index in the column of a region's index.
    places = (model.region_index, model.region_id) if hasattr(model, "region_id") else (model.map_index,)
    query = select(
        model.id, model.key, model.value, model.updated_at, model.dag_id, model.run_id, model.task_id, *places
    ).where(*(model.id > number for number in after))
    with opened_session() as session:
        found = session.execute(query.order_by(model.id).limit(_PAGE_ROWS)).all()
    return [
        Row(model, (number,), (TaskScope(*names),), key, value, updated_at)
        for number, key, value, updated_at, *names in found
    ]


def _asset_page(after: tuple[Any, ...]) -> list[Row]:
    model = AssetStateStoreModel
    query = (
        select(
            model.asset_id,
            model.key,
            model.value,
            model.updated_at,
            AssetModel.name,
            AssetModel.uri,
            AssetActive.name.is_not(None),
        )
        .join(AssetModel, AssetModel.id == model.asset_id)
        .outerjoin(AssetActive, and_(AssetActive.name == AssetModel.name, AssetActive.uri == AssetModel.uri))
    )
    if after:
        asset_id, key = after
        query = query.where(or_(model.asset_id > asset_id, and_(model.asset_id == asset_id, model.key > key)))
    with opened_session() as session:
        found = session.execute(query.order_by(model.asset_id, model.key).limit(_PAGE_ROWS)).all()
    return [
        Row(model, (asset_id, key), _asset_scopes(name, uri), key, value, updated_at, is_active)
        for asset_id, key, value, updated_at, name, uri, is_active in found
    ]


def _asset_scopes(name: str, uri: str) -> tuple[Any, ...]:
    by_uri = AssetScope(uri=uri)
    return (AssetScope(name=name), by_uri) if name else (by_uri,)
