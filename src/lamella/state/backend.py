"""The contract of a worker-side state backend.

A worker hands a value to a write hook and keeps in its database what the hook returns; a read hook turns that into the
value again. `delete` and `clear` get the scope alone, so whatever a hook stores must be findable from scope and key.

Source: docs/state.md, "The contract".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt

    from lamella.state.scopes import StateScope

__all__ = ["BaseStateBackend"]


class BaseStateBackend(ABC):
    """What a worker asks of a state backend; `lamella.testing.StateBackendContract` proves it.

    `session` is a database session of the host, and `expires_at` a time after which the value may go; a backend that
    has no use for them ignores them. The twins that begin with `a` do the same without blocking the event loop.
    """

    @abstractmethod
    def get(self, scope: StateScope, key: str, *, session: Any = None) -> str | None:  # noqa: ANN401 - the host's
        """Return the text of a key, None where there is none."""

    @abstractmethod
    def set(
        self,
        scope: StateScope,
        key: str,
        value: str,
        *,
        expires_at: dt.datetime | None = None,
        session: Any = None,  # noqa: ANN401 - the host's
    ) -> None:
        """Keep a text, whether it is JSON or not, in place of what the key had."""

    @abstractmethod
    def delete(self, scope: StateScope, key: str, *, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Remove a key; absent is no error."""

    @abstractmethod
    def clear(self, scope: StateScope, *, all_map_indices: bool = False, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Remove every key of a scope, of its map index or of all."""

    @abstractmethod
    async def aget(self, scope: StateScope, key: str, *, session: Any = None) -> str | None:  # noqa: ANN401 - the host's
        """Do what `get` does."""

    @abstractmethod
    async def aset(
        self,
        scope: StateScope,
        key: str,
        value: str,
        *,
        expires_at: dt.datetime | None = None,
        session: Any = None,  # noqa: ANN401 - the host's
    ) -> None:
        """Do what `set` does."""

    @abstractmethod
    async def adelete(self, scope: StateScope, key: str, *, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Do what `delete` does."""

    @abstractmethod
    async def aclear(self, scope: StateScope, *, all_map_indices: bool = False, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Do what `clear` does."""

    def cleanup(self) -> None:  # noqa: B027 - a backend that keeps nothing past its time has nothing to remove
        """Remove what is past its time."""

    def serialize_task_state_to_ref(self, *, value: Any, key: str, ti_id: str) -> Any:  # noqa: ANN401, ARG002 - JSON, unchanged
        """Return what the database keeps for a task's value: the value itself, or a ref to it."""
        return value

    def deserialize_task_state_from_ref(self, stored: Any) -> Any:  # noqa: ANN401 - JSON, unchanged
        """Return the value of a task for which the database keeps `stored`."""
        return stored

    def serialize_asset_state_to_ref(self, *, value: Any, key: str, asset_ref: str) -> Any:  # noqa: ANN401, ARG002 - JSON, unchanged
        """Return what the database keeps for an asset's value; `asset_ref` is the asset's name or URI."""
        return value

    def deserialize_asset_state_from_ref(self, stored: Any) -> Any:  # noqa: ANN401 - JSON, unchanged
        """Return the value of an asset for which the database keeps `stored`."""
        return stored
