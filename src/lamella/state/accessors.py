"""What a task holds in its hand: get, set, delete and clear of its own state, or of an asset's.

An object is written before its row, and a row removed before its object: a crash between the two leaves no row that
leads to nothing.

Source: docs/state.md, "Accessors".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lamella.errors import AddressError, ConfigError
from lamella.limits import DEFAULT_LIMITS
from lamella.state.loading import configured_state_backend, has_methods
from lamella.state.scopes import AssetScope, TaskScope, owner_of
from lamella.state.thread import in_thread
from lamella.state.values import is_ref
from lamella.wire.codec import dump_json, load_json

if TYPE_CHECKING:
    import datetime as dt
    from typing import TypeGuard

    from lamella.state.backend import BaseStateBackend
    from lamella.state.database import StateDatabase
    from lamella.state.layered import LayeredStateBackend
    from lamella.state.scopes import StateScope

__all__ = ["AssetStateAccessor", "TaskStateAccessor"]


class _Accessor(ABC):
    """The state of one scope: its values in a backend, their refs in a database."""

    def __init__(self, scope: StateScope, database: StateDatabase, backend: BaseStateBackend | None) -> None:
        self._scope = scope
        self._database = database
        self._backend = configured_state_backend() if backend is None else backend

    def set(self, key: str, value: Any, *, expires_at: dt.datetime | None = None) -> None:  # noqa: ANN401 - any JSON document
        """Store a JSON value: the object first, then the row.

        Args:
            key: Its key.
            value: The value.
            expires_at: When the row ends; by default after the database's retention.

        Raises:
            InvalidValueError: The value is not JSON, or a row cannot end at that time.
            StoreError: The backend or the database failed; the old value, or the new one, is there.
        """
        self._database.ends_at(expires_at)  # What it refuses, it refuses before the object is replaced.
        stored = value if self._backend is None else self._write(self._backend, key, value)
        # A ref can never be JSON, so a row holds the one or the other.
        row = stored if is_ref(stored) and stored is not value else dump_json(stored, DEFAULT_LIMITS).decode()
        self._database.set(self._scope, key, row, expires_at=expires_at)

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - any JSON document
        """Return the value of a key, `default` where there is no row.

        Raises:
            ConfigError: The row holds a ref, and there is no backend to read it.
            RefError: The row's ref is malformed, forged, of another row, or the policy refuses what it holds.
            ObjectNotFoundError: There is a row, but nothing behind its ref.
            LamellaError: As `Stack.get`.
        """
        row = self._database.get(self._scope, key)
        if row is None:
            return default
        if is_ref(row) and self._backend is None:
            raise ConfigError("the row holds a ref, but no state backend is configured; set workers.state_backend")
        stored = row if is_ref(row) else load_json(row.encode())
        return stored if self._backend is None else self._read(self._backend, key, stored)

    def delete(self, key: str) -> None:
        """Remove the row of a key, then the object.

        Raises:
            StoreError: The database or the backend failed; call again.
        """
        self._database.delete(self._scope, key)
        if self._backend is not None:
            self._backend.delete(self._scope, key)

    def clear(self) -> None:
        """Remove every row of the scope, then the objects; raises as `delete`."""
        self._database.clear(self._scope)
        if self._backend is not None:
            self._backend.clear(self._scope)

    async def aset(self, key: str, value: Any, *, expires_at: dt.datetime | None = None) -> None:  # noqa: ANN401 - any JSON document
        """Do what `set` does, in a thread."""
        await in_thread(self.set, key, value, expires_at=expires_at)

    async def aget(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - any JSON document
        """Do what `get` does, in a thread."""
        return await in_thread(self.get, key, default)

    async def adelete(self, key: str) -> None:
        """Do what `delete` does, in a thread."""
        await in_thread(self.delete, key)

    async def aclear(self) -> None:
        """Do what `clear` does, in a thread."""
        await in_thread(self.clear)

    @abstractmethod
    def _write(self, backend: BaseStateBackend, key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON document
        """Call the backend's write hook."""

    @abstractmethod
    def _read(self, backend: BaseStateBackend, key: str, stored: Any) -> Any:  # noqa: ANN401 - any JSON document
        """Call the backend's read hook."""


class TaskStateAccessor(_Accessor):
    """The state of one task, in one of its tries.

    Args:
        scope: The task; retries share it.
        ti_id: The id of this try.
        database: Where the rows are.
        backend: Where the values are; by default the configured backend, and the rows themselves where none is.

    Raises:
        AddressError: The scope is no task's.
    """

    def __init__(
        self, scope: StateScope, ti_id: str, database: StateDatabase, backend: BaseStateBackend | None = None
    ) -> None:
        """Take the state of a task into the hand."""
        super().__init__(owner_of(scope).scope, database, backend)
        if self._scope.kind != TaskScope.kind:
            raise AddressError(
                f"a TaskStateAccessor takes the scope of a task, and this one is of kind {self._scope.kind!r}"
            )
        self._ti_id = str(ti_id)

    def _write(self, backend: BaseStateBackend, key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON document
        self._bind(backend)
        return backend.serialize_task_state_to_ref(value=value, key=key, ti_id=self._ti_id)

    def _read(self, backend: BaseStateBackend, key: str, stored: Any) -> Any:  # noqa: ANN401 - any JSON document
        self._bind(backend)
        if expect := getattr(backend, "expect", None):
            expect(stored, key=key, ti_id=self._ti_id)
        return backend.deserialize_task_state_from_ref(stored)

    def _bind(self, backend: BaseStateBackend) -> None:
        """Tell a backend that asks for it whose try this is: by the contract it would never learn."""
        if bind := getattr(backend, "bind", None):
            bind(self._ti_id, self._scope)


class AssetStateAccessor(_Accessor):
    """The state of one asset, by name or by URI.

    Args:
        database: Where the rows are.
        name: The asset's name.
        uri: The asset's URI, where it has no name.
        backend: Where the values are; by default the configured backend, and the rows themselves where none is.

    Raises:
        ValueError: Neither a name nor a URI is given.
    """

    def __init__(
        self,
        database: StateDatabase,
        *,
        name: str | None = None,
        uri: str | None = None,
        backend: BaseStateBackend | None = None,
    ) -> None:
        """Take the state of an asset into the hand."""
        super().__init__(AssetScope(name=name, uri=uri), database, backend)
        self._asset_ref = str(uri if name is None else name)

    def _write(self, backend: BaseStateBackend, key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON document
        # An `asset_ref` is the same for a name and for a URI that is spelt as it.
        if _takes_scopes(backend):
            return backend.serialize_asset_state_store_to_ref(value=value, key=key, scope=self._scope)
        return backend.serialize_asset_state_to_ref(value=value, key=key, asset_ref=self._asset_ref)

    def _read(self, backend: BaseStateBackend, key: str, stored: Any) -> Any:  # noqa: ANN401 - any JSON document
        if expect := getattr(backend, "expect", None):
            whose = {"scope": self._scope} if _takes_scopes(backend) else {"asset_ref": self._asset_ref}
            expect(stored, key=key, **whose)
        return backend.deserialize_asset_state_from_ref(stored)


def _takes_scopes(backend: object) -> TypeGuard[LayeredStateBackend]:
    """Tell whether a backend has, for assets as for tasks, what tells it the scope."""
    return has_methods(backend, ("bind", "serialize_asset_state_store_to_ref"))
