"""Who asked? Airflow gives a read hook the ref alone; whose it may be follows from the task that runs in the process.

Source: docs/airflow.md, "Who asked?".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import get_current_context

from lamella.errors import RefMismatchError
from lamella.scope import Address, AssetScope
from lamella.state.scopes import owner_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lamella.flow.engine import Engine
    from lamella.scope import Scope
    from lamella.state.scopes import StateScope
    from lamella.wire.locator import Place

__all__ = ["Caller", "connection", "refuse_foreign", "refuse_other", "running_caller", "scopes_of"]

_FOREIGN_TASK: Final = (
    "the ref is genuine but belongs to another task, map index or region than the one that runs; look for a row that "
    "was copied or planted"
)
_FOREIGN_ASSET: Final = (
    "the ref is genuine but belongs to an asset that is none of the running task's inlets and outlets; look for a row "
    "that was copied or planted, and on an event loop declare the asset with its name and its URI"
)
_OTHER: Final = (
    "the ref is genuine but belongs to another scope or key than the one asked for; look for a row that was copied or "
    "planted, and on an event loop or the triggerer ask for an asset by that with which it was written, name or URI"
)


class Caller:
    """The task that runs in this process.

    Args:
        context: Airflow's context of the task.

    Attributes:
        scope: Its scope as addresses have it.
    """

    __slots__ = ("_context", "scope")

    def __init__(self, context: Mapping[str, Any]) -> None:
        """Read the scope off the accessor that the task was given, so that the two cannot differ."""
        self._context = context
        given = context["task_state_store"]._scope  # noqa: SLF001 - the host shows it nowhere else
        self.scope: StateScope = owner_of(given).scope

    def facts(self) -> dict[str, object]:
        """Name the task, for a record."""
        return {**dict(self.scope.fields()), "map_index": self.scope.map_index}

    def scopes(self, kind: str) -> Iterator[StateScope]:
        """Yield the scopes whose values of a kind the task may ask for."""
        return self._assets() if kind == AssetScope.kind else iter((self.scope,))

    def _assets(self) -> Iterator[AssetScope]:
        """Yield the assets that the task declares, each by name or URI, aliases resolved.

        First those that Airflow's accessor knows, then what else they are called; that Airflow is asked comes last.
        """
        known = self._context.get("asset_state_store")
        if known is None:
            return
        names, uris = tuple(known._by_name), tuple(known._by_uri)  # noqa: SLF001 - the host shows them nowhere else
        declared = [each for each in (*self._context["inlets"], *self._context["outlets"]) if _is_whole(each)]
        yield from _by_name(names)
        yield from _by_uri((*uris, *(each.uri for each in declared)))
        whole = {each.name for each in declared}
        for asset in (*_by_name(name for name in names if name not in whole), *_by_uri(uris)):
            yield from _twin(asset)


def running_caller() -> Caller | None:
    """Return the task that runs in this process; None in a triggerer, a callback or a server."""
    try:
        context = get_current_context()
    except RuntimeError:
        return None
    return Caller(context) if "task_state_store" in context else None


def connection() -> tuple[Any, bool]:
    """Return what talks to Airflow in this process, if anything does, and whether it is the triggerer's."""
    from airflow.sdk.execution_time import task_runner  # noqa: PLC0415 - most reads need to ask nobody

    talks = getattr(task_runner, "SUPERVISOR_COMMS", None)  # DAG.test takes it away while it answers another thread.
    return talks, hasattr(talks, "start_reader")  # Only the triggerer's is read by an event loop.


def refuse_foreign(engine: Engine, place: Place, caller: Caller) -> None:
    """Refuse a ref that is neither of the running task nor of an asset that it declares.

    Raises:
        RefMismatchError: It is of another task, map index, region or asset.
    """
    for scope in caller.scopes(place.kind):
        if (engine.scope_id(scope), scope.map_index) == (place.scope_id, place.map_index):
            return
    raise RefMismatchError(_FOREIGN_ASSET if place.kind == AssetScope.kind else _FOREIGN_TASK, locator=place.head)


def refuse_other(engine: Engine, place: Place, expected: Address) -> None:
    """Refuse a ref of another address than the one that was asked for.

    Raises:
        RefMismatchError: It is of another scope or key.
    """
    if not any(place == engine.place(Address(scope, expected.key)) for scope in scopes_of(expected)):
        raise RefMismatchError(_OTHER, locator=place.head)


def scopes_of(expected: Address) -> Iterator[Scope]:
    """Yield the scope that was asked for, then what else an asset is called; that Airflow is asked comes last."""
    yield expected.scope
    if isinstance(expected.scope, AssetScope):
        yield from _twin(expected.scope)


def _twin(asset: AssetScope) -> Iterator[AssetScope]:
    """Yield the URI of an asset known by name, or the reverse, as Airflow's database has it.

    One row is found by both, and its object by that with which it was written. On an event loop nobody is asked, since
    that would block it, and on the triggerer there is nobody who answers.
    """
    from airflow.sdk.execution_time import comms  # noqa: PLC0415 - most reads need to ask nobody

    talks, is_triggerers = connection()
    if talks is None or is_triggerers or _on_event_loop():
        return
    question = comms.GetAssetByUri(uri=asset.uri) if asset.name is None else comms.GetAssetByName(name=asset.name)
    answer = talks.send(question)
    if isinstance(answer, comms.AssetResult):
        yield AssetScope(name=answer.name) if asset.name is None else AssetScope(uri=answer.uri)


def _by_name(names: Iterable[str]) -> Iterator[AssetScope]:
    return (AssetScope(name=name) for name in names)


def _by_uri(uris: Iterable[str]) -> Iterator[AssetScope]:
    return (AssetScope(uri=uri) for uri in uris)


def _is_whole(declared: object) -> bool:
    """Tell an asset from a reference to one by name or URI alone, and from an alias."""
    return hasattr(declared, "name") and hasattr(declared, "uri")


def _on_event_loop() -> bool:
    from asyncio import get_running_loop  # noqa: PLC0415 - most reads need to ask nobody

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True
