"""What a DAG author calls in place of an accessor's own methods: `get`, `aget` and `aset`.

The accessors of Airflow return a row's value as it is where it is no ref, and tell a hook neither scope nor key. `get`
and `aget` know both, and accept nothing else. `aget` and `aset` keep the layers' work off the event loop, and there are
no such methods on every accessor.

Source: docs/airflow.md, "Who asked?" and "Async tasks".
"""

from __future__ import annotations

import datetime as dt
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow.sdk.configuration import conf
from airflow.sdk.execution_time import context as host
from airflow.sdk.state import AssetScope

from lamella.airflow.backend import LamellaStateBackend
from lamella.airflow.caller import connection, running_caller
from lamella.airflow.errand import Errand, sent
from lamella.airflow.threads import talk, work
from lamella.errors import ConfigError, InvalidValueError
from lamella.scope import Address
from lamella.state.scopes import owner_of

if TYPE_CHECKING:
    from lamella.airflow.caller import Caller

__all__ = ["aget", "aset", "get"]

_ABSENT: Final = object()


class _Target(NamedTuple):
    """One key of one accessor, and the backend that Airflow calls for it."""

    accessor: Any
    kind: str
    scope: Any
    key: str
    backend: LamellaStateBackend

    @property
    def address(self) -> Address:
        """The address of the key."""
        return Address(owner_of(self.scope).scope, self.key)


def get(accessor: Any, key: str, default: Any = None) -> Any:  # noqa: ANN401 - Airflow's accessors; any JSON document
    """Return the value of a key, `default` where there is no row.

    Args:
        accessor: `context["task_state_store"]`, `context["asset_state_store"]`, or one asset's of the latter.
        key: The key.
        default: What an absent key gives, and a gone object where `missing_object` is `none`.

    Raises:
        UnsealedValueError: The row holds a value that did not pass through the backend.
        RefMismatchError: The row holds the ref of another scope or key.
        ConfigError: Airflow's worker-side backend is not Lamella's.
        LamellaError: As the backend's read hooks.
    """
    target, errand = _target(accessor, key), Errand()
    with sent(errand):
        given = target.accessor.get(key, _ABSENT)
    if given is _ABSENT:
        return default
    value = _opened(target, errand, given, _checked(target, errand))
    return default if value is None else value


async def aget(accessor: Any, key: str, default: Any = None) -> Any:  # noqa: ANN401 - Airflow's accessors; any JSON document
    """Do what `get` does; the event loop only talks to Airflow, if that."""
    target, errand = _target(accessor, key), Errand()
    given = await _carried(errand, target.accessor, "get", key, _ABSENT)
    if given is _ABSENT:
        return default
    caller = await talk(_checked, target, errand)
    value = await work(_opened, target, errand, given, caller)
    return default if value is None else value


async def aset(accessor: Any, key: str, value: Any, **retention: Any) -> None:  # noqa: ANN401 - Airflow's accessors; any JSON document
    """Set the value of a key, first the object, then the row; the event loop only talks to Airflow, if that.

    Args:
        accessor: As for `get`.
        key: The key.
        value: The value; not None, as for Airflow's own `set`.
        retention: What the accessor's own `set` takes beside them: `retention=` for a task.

    Raises:
        ValueError: The value is None.
        TypeError: The accessor's own `set` takes no such `retention`.
        InvalidValueError: It is no time that a row can be kept for, or the value is not JSON.
        ConfigError: Airflow's worker-side backend is not Lamella's, or its `default_retention_days`, which is asked for
            where a task gives no retention, cannot work.
        LamellaError: As the backend's write hooks.
    """
    if value is None:
        raise ValueError("Cannot set value as None")
    target = _target(accessor, key)
    signature(target.accessor.set).bind(key, value, **retention)  # What it would refuse after the object was stored.
    if target.kind == "task":  # The rows of assets stay.
        _refuse_endless(**retention)
    write = getattr(target.backend, f"serialize_{target.kind}_state_store_to_ref")
    ref = await work(write, value=value, key=key, scope=target.scope)
    await _carried(Errand(ref=ref), target.accessor, "set", key, value, **retention)


def _refuse_endless(retention: dt.timedelta | None = None) -> None:
    """Refuse what Airflow cannot work out a row's end from, as it does before it stores a value itself."""
    if retention is host.NEVER_EXPIRE:
        return
    if retention is None:
        _refuse_endless_default(conf.getint("state_store", "default_retention_days"))
        return
    try:
        dt.datetime.now(dt.timezone.utc) + retention
    except (TypeError, OverflowError) as error:
        raise InvalidValueError(
            "retention must be a timedelta that ends before the year 10000, or NEVER_EXPIRE for a row that stays"
        ) from error


def _refuse_endless_default(days: int) -> None:
    try:
        dt.datetime.now(dt.timezone.utc) + dt.timedelta(days)
    except OverflowError:
        days = -1
    if days < 0:
        raise ConfigError(
            "[state_store] default_retention_days must be a number of days that end before the year 10000, or 0 for "
            "rows that stay"
        )


def _target(accessor: Any, key: str) -> _Target:  # noqa: ANN401 - Airflow's accessors
    backend = host._get_worker_state_store_backend()  # noqa: SLF001 - the instance that the accessor will call
    if not isinstance(backend, LamellaStateBackend):
        raise ConfigError(
            "lamella.airflow.get, aget and aset need [workers] state_store_backend = "
            f"lamella.airflow.LamellaStateBackend; here it makes a {type(backend).__name__}"
        )
    if isinstance(accessor, host.AssetStateStoreAccessors):
        accessor = accessor._single_accessor()  # noqa: SLF001 - what its own methods begin with
    if isinstance(accessor, host.AssetStateStoreAccessor):
        scope = AssetScope(name=accessor._name, uri=accessor._uri)  # noqa: SLF001 - what it hands to the hooks
        return _Target(accessor, "asset", scope, key, backend)
    return _Target(accessor, "task", accessor._scope, key, backend)  # noqa: SLF001 - what it hands to the hooks


def _checked(target: _Target, errand: Errand) -> Caller | None:
    """Refuse what was not sealed for the target, and return who asked."""
    caller = running_caller()
    if errand.called:
        target.backend.reader.check(target.kind, errand.stored, caller, target.address)
    else:
        target.backend.reader.admit_unsealed(target.kind, caller, target.address)
    return caller


def _opened(target: _Target, errand: Errand, given: Any, caller: Caller | None) -> Any:  # noqa: ANN401 - any JSON document
    return target.backend.reader.open(target.kind, errand.stored, caller) if errand.called else given


async def _carried(errand: Errand, accessor: Any, name: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - Airflow's accessors; any JSON document
    """Call a method of an accessor: its own twin where that may be cancelled, or it in a thread.

    Only a triggerer's connection knows by its number which answer belongs to which question. That of a task process
    goes by their order, and a twin that is cancelled there leaves its answer to the next question, or the lock taken.
    """

    def call() -> Any:  # noqa: ANN401 - any JSON document
        with sent(errand):
            return getattr(accessor, name)(*args, **options)

    _, is_triggerers = connection()
    if not hasattr(accessor, f"a{name}") or not is_triggerers:
        return await talk(call)
    with sent(errand):
        return await getattr(accessor, f"a{name}")(*args, **options)
