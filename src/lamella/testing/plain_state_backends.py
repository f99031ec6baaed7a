"""State backends as hosts have them, without a layer: what a wrapper is tried on, and examples of the contract."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lamella.scope import TaskScope
from lamella.state import BaseStateBackend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamella.state import StateScope

__all__ = ["FileStateBackend", "MemoryStateBackend", "StubStateBackend"]


def _digest(*names: object) -> str:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def _owners(scope: StateScope) -> list[str]:
    """Name a scope without its map index; an asset also by what an `asset_ref` may have called it."""
    if isinstance(scope, TaskScope):
        return [_digest("task", scope.fields())]
    refs = [_digest("ref", name) for name in (scope.name, scope.uri) if name is not None]
    return [_digest("asset", scope.fields()), *refs]


class _PlainStateBackend(BaseStateBackend):
    """The contract over texts by place; a place is `owner/map index/key`, and a ref.

    Attributes:
        given: The session and the time that the last call brought.
    """

    def __init__(self) -> None:
        self.given: tuple[Any, Any] = (None, None)
        self._bound: dict[str, TaskScope] = {}

    @abstractmethod
    def _put(self, place: str, text: str) -> None: ...

    @abstractmethod
    def _find(self, place: str) -> str | None: ...

    @abstractmethod
    def _remove(self, place: str) -> None: ...

    @abstractmethod
    def _remove_below(self, prefix: str) -> None: ...

    def bind(self, ti_id: str, scope: TaskScope) -> None:
        """Say whose try a `ti_id` is."""
        self._bound[ti_id] = scope

    def get(self, scope: StateScope, key: str, *, session: Any = None) -> str | None:  # noqa: ANN401 - the host's
        """Return the text of a key."""
        self.given = (session, None)
        return next((text for place in _places(scope, key) if (text := self._find(place)) is not None), None)

    def set(self, scope: StateScope, key: str, value: str, **options: Any) -> None:  # noqa: ANN401 - the host's
        """Keep a text."""
        self.given = (options.get("session"), options.get("expires_at"))
        self._put(next(_places(scope, key)), value)

    def delete(self, scope: StateScope, key: str, *, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Remove a key."""
        self.given = (session, None)
        for place in _places(scope, key):
            self._remove(place)

    def clear(self, scope: StateScope, *, all_map_indices: bool = False, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Remove every key."""
        self.given = (session, None)
        for owner in _owners(scope):
            self._remove_below(f"{owner}/" if all_map_indices else f"{owner}/{scope.map_index}/")

    async def aget(self, scope: StateScope, key: str, *, session: Any = None) -> str | None:  # noqa: ANN401 - the host's
        """Do what `get` does."""
        return self.get(scope, key, session=session)

    async def aset(self, scope: StateScope, key: str, value: str, **options: Any) -> None:  # noqa: ANN401 - the host's
        """Do what `set` does."""
        self.set(scope, key, value, **options)

    async def adelete(self, scope: StateScope, key: str, *, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Do what `delete` does."""
        self.delete(scope, key, session=session)

    async def aclear(self, scope: StateScope, **options: Any) -> None:  # noqa: ANN401 - the host's
        """Do what `clear` does."""
        self.clear(scope, **options)

    def serialize_task_state_to_ref(self, *, value: Any, key: str, ti_id: str) -> str:  # noqa: ANN401 - any JSON document
        """Keep a task's value as JSON."""
        place = next(_places(self._bound[ti_id], key))
        self._put(place, json.dumps(value))
        return place

    def deserialize_task_state_from_ref(self, stored: str) -> Any:  # noqa: ANN401 - any JSON document
        """Return the value at a place."""
        text = self._find(stored)
        if text is None:
            raise LookupError(stored)
        return json.loads(text)

    def serialize_asset_state_to_ref(self, *, value: Any, key: str, asset_ref: str) -> str:  # noqa: ANN401 - any JSON document
        """Keep an asset's value as JSON."""
        place = f"{_digest('ref', asset_ref)}/-1/{_digest(key)}"
        self._put(place, json.dumps(value))
        return place

    deserialize_asset_state_from_ref = deserialize_task_state_from_ref


class MemoryStateBackend(_PlainStateBackend):
    """Texts in a dictionary.

    Attributes:
        rows: The texts by place.
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.rows: dict[str, str] = {}

    def _put(self, place: str, text: str) -> None:
        self.rows[place] = text

    def _find(self, place: str) -> str | None:
        return self.rows.get(place)

    def _remove(self, place: str) -> None:
        self.rows.pop(place, None)

    def _remove_below(self, prefix: str) -> None:
        for place in tuple(self.rows):
            if place.startswith(prefix):
                self.rows.pop(place, None)


class FileStateBackend(_PlainStateBackend):
    """Texts in files."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Name the folder; the first text makes it."""
        super().__init__()
        self._folder = Path(folder)

    def _put(self, place: str, text: str) -> None:
        path = self._folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
        written.write_bytes(text.encode())
        written.replace(path)

    def _find(self, place: str) -> str | None:
        try:
            return (self._folder / place).read_bytes().decode()
        except FileNotFoundError:
            return None

    def _remove(self, place: str) -> None:
        (self._folder / place).unlink(missing_ok=True)

    def _remove_below(self, prefix: str) -> None:
        shutil.rmtree(self._folder / prefix, ignore_errors=True)


class StubStateBackend:
    """No subclass of the contract, but of its shape in Airflow 3.3: hooks that get scopes, `get` and `set` for nobody.

    Attributes:
        rows: The texts by place.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._kept = MemoryStateBackend()
        self.rows = self._kept.rows
        self.delete, self.clear = self._kept.delete, self._kept.clear
        self.adelete, self.aclear = self._kept.adelete, self._kept.aclear

    def get(self, scope: StateScope, key: str) -> NoReturn:
        """Refuse."""
        raise NotImplementedError

    set = aget = aset = get

    def serialize_task_state_store_to_ref(self, *, value: Any, key: str, scope: StateScope) -> str:  # noqa: ANN401 - any JSON document
        """Keep a value as JSON."""
        place = next(_places(scope, key))
        self.rows[place] = json.dumps(value)
        return place

    def deserialize_task_state_store_from_ref(self, stored: str) -> Any:  # noqa: ANN401 - any JSON document
        """Return the value at a place."""
        return json.loads(self.rows[stored])

    serialize_asset_state_store_to_ref = serialize_task_state_store_to_ref
    deserialize_asset_state_store_from_ref = deserialize_task_state_store_from_ref


def _places(scope: StateScope, key: str) -> Iterator[str]:
    return (f"{owner}/{scope.map_index}/{_digest(key)}" for owner in _owners(scope))
