"""The worker's side: what `[workers] state_store_backend` names, and Airflow calls in each task process.

Source: docs/airflow.md, "What a task sees".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.state import BaseStoreBackend

from lamella.airflow.caller import running_caller
from lamella.airflow.errand import carried_ref, carry
from lamella.airflow.reading import Reader
from lamella.airflow.settings import open_worker_stack, read_settings
from lamella.airflow.threads import talk, work
from lamella.errors import AddressError
from lamella.state.layered import LayeredStateBackend
from lamella.state.scopes import owner_of
from lamella.state.thread import in_thread
from lamella.state.values import keep_value

if TYPE_CHECKING:
    from lamella.airflow.caller import Caller
    from lamella.airflow.fallback import Fallback

__all__ = ["LamellaStateBackend"]


class LamellaStateBackend(LayeredStateBackend, BaseStoreBackend):  # type: ignore[misc]  # The host's base class is untyped here.
    """Keeps the values of task and asset state in the configured stack, and gives Airflow refs to them.

    Cheap to make: nothing is read or opened before the first use, in the process that uses it.
    """

    def __init__(self) -> None:
        """Read nothing yet."""
        super().__init__(open_worker_stack)
        self._known_reader: dict[str, Reader] = {}

    def serialize_task_state_store_to_ref(self, *, value: Any, key: str, scope: Any) -> str:  # noqa: ANN401 - the host's
        """Store a task's value and return its ref; raises as `Stack.put` does, and for a scope of another kind."""
        return carried_ref() or self._keep("task", value, key, scope)

    def serialize_asset_state_store_to_ref(self, *, value: Any, key: str, scope: Any) -> str:  # noqa: ANN401 - the host's
        """Store an asset's value and return its ref; raises as `Stack.put` does, and for a scope of another kind."""
        return carried_ref() or self._keep("asset", value, key, scope)

    def deserialize_task_state_store_from_ref(self, stored: str) -> Any:  # noqa: ANN401 - any JSON document
        """Return a task's value by its ref.

        Raises:
            RefMismatchError: Another task runs here than the ref's.
            RefError: The ref is malformed or forged, or the policy refuses what the row holds.
            ObjectNotFoundError: The object is gone, and `missing_object` is `raise`.
            LamellaError: As `Stack.get`.
        """
        return self._read("task", stored)

    def deserialize_asset_state_store_from_ref(self, stored: str) -> Any:  # noqa: ANN401 - any JSON document
        """Return an asset's value by its ref.

        Raises:
            RefMismatchError: The running task does not declare the ref's asset.
            RefError: The ref is malformed or forged, or the policy refuses what the row holds.
            ObjectNotFoundError: The object is gone, and `missing_object` is `raise`.
            LamellaError: As `Stack.get`.
        """
        return self._read("asset", stored)

    async def aserialize_task_state_store_to_ref(self, *, value: Any, key: str, scope: Any) -> str:  # noqa: ANN401 - the host's
        """Do what `serialize_task_state_store_to_ref` does, off the event loop."""
        return await work(self.serialize_task_state_store_to_ref, value=value, key=key, scope=scope)

    async def aserialize_asset_state_store_to_ref(self, *, value: Any, key: str, scope: Any) -> str:  # noqa: ANN401 - the host's
        """Do what `serialize_asset_state_store_to_ref` does, off the event loop."""
        return await work(self.serialize_asset_state_store_to_ref, value=value, key=key, scope=scope)

    async def adeserialize_task_state_store_from_ref(self, stored: str) -> Any:  # noqa: ANN401 - any JSON document
        """Do what `deserialize_task_state_store_from_ref` does, off the event loop."""
        return await self._aread("task", stored)

    async def adeserialize_asset_state_store_from_ref(self, stored: str) -> Any:  # noqa: ANN401 - any JSON document
        """Do what `deserialize_asset_state_store_from_ref` does, off the event loop."""
        return await self._aread("asset", stored)

    def delete(self, scope: Any, key: str, *, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Remove a key from every configured store, and what the fallback's backend wrote."""
        super().delete(scope, key, session=session)
        if fallback := self._fallback():
            fallback.delete(scope, key)

    def clear(self, scope: Any, *, all_map_indices: bool = False, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Remove every key of a scope, as `delete` does."""
        super().clear(scope, all_map_indices=all_map_indices, session=session)
        if fallback := self._fallback():
            fallback.clear(scope, all_map_indices=all_map_indices)

    async def adelete(self, scope: Any, key: str, *, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Do what `delete` does, without blocking the event loop."""
        await super().adelete(scope, key, session=session)
        if fallback := await in_thread(self._fallback):
            await fallback.adelete(scope, key)

    async def aclear(self, scope: Any, *, all_map_indices: bool = False, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Do what `clear` does, without blocking the event loop."""
        await super().aclear(scope, all_map_indices=all_map_indices, session=session)
        if fallback := await in_thread(self._fallback):
            await fallback.aclear(scope, all_map_indices=all_map_indices)

    def __getstate__(self) -> dict[str, object]:
        """Take along nothing that was read or opened."""
        return {**super().__getstate__(), "_known_reader": {}}

    @property
    def reader(self) -> Reader:
        """What the read hooks read with.

        Raises:
            ConfigError: The section `[lamella]`, or what it names, cannot work.
            KeyringError: The keyring cannot be opened.
        """
        return self._known_reader.get("reader") or self._known_reader.setdefault("reader", self._make_reader())

    def _make_reader(self) -> Reader:
        settings, fallback = read_settings(), None
        if settings.fallback_backend:
            from lamella.airflow.fallback import open_fallback  # noqa: PLC0415 - only where another backend wrote

            fallback = open_fallback(settings)
        return Reader(self.stack, settings.missing_object, fallback)

    def _fallback(self) -> Fallback | None:
        return self.reader.fallback

    def _keep(self, kind: str, value: Any, key: str, scope: Any) -> str:  # noqa: ANN401 - any JSON document; the host's
        owner = owner_of(scope)
        if owner.scope.kind != kind:
            raise AddressError(
                f"the hook is for {kind} state and the scope of kind {owner.scope.kind}; call the other hook"
            )
        return keep_value(self.stack, owner, key, value)

    def _read(self, kind: str, stored: Any) -> Any:  # noqa: ANN401 - any JSON document
        if carry(stored):
            return None
        return self.reader.open(kind, stored, self._check(kind, stored))

    async def _aread(self, kind: str, stored: Any) -> Any:  # noqa: ANN401 - any JSON document
        if carry(stored):
            return None
        caller = await talk(self._check, kind, stored)
        return await work(self.reader.open, kind, stored, caller)

    def _check(self, kind: str, stored: Any) -> Caller | None:  # noqa: ANN401 - what a row held
        """Refuse what does not belong to whoever asks, and return who that is."""
        caller = running_caller()
        self.reader.check(kind, stored, caller)
        return caller
