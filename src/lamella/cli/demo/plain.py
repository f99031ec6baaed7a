"""A state backend as a host has it, which keeps what it is given as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lamella.state import BaseStateBackend

if TYPE_CHECKING:
    from lamella.state import StateScope

__all__ = ["PlainStateBackend"]


class PlainStateBackend(BaseStateBackend):
    """Texts in a dictionary; its refs are their names.

    Attributes:
        rows: The texts by name.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.rows: dict[str, str] = {}

    def get(self, scope: StateScope, key: str, **_: Any) -> str | None:  # noqa: ANN401 - the host's options
        """Return a text."""
        return self.rows.get(f"{scope} {key}")

    def set(self, scope: StateScope, key: str, value: str, **_: Any) -> None:  # noqa: ANN401 - the host's options
        """Keep a text."""
        self.rows[f"{scope} {key}"] = value

    def delete(self, scope: StateScope, key: str, **_: Any) -> None:  # noqa: ANN401 - the host's options
        """Forget a text."""
        self.rows.pop(f"{scope} {key}", None)

    def clear(self, scope: StateScope, **_: Any) -> None:  # noqa: ANN401 - the host's options
        """Forget the texts of a scope."""
        self.rows = {name: text for name, text in self.rows.items() if not name.startswith(f"{scope} ")}

    async def aget(self, scope: StateScope, key: str, **_: Any) -> str | None:  # noqa: ANN401 - the host's options
        """Do what `get` does."""
        return self.get(scope, key)

    async def aset(self, scope: StateScope, key: str, value: str, **_: Any) -> None:  # noqa: ANN401 - the host's options
        """Do what `set` does."""
        self.set(scope, key, value)

    async def adelete(self, scope: StateScope, key: str, **_: Any) -> None:  # noqa: ANN401 - the host's options
        """Do what `delete` does."""
        self.delete(scope, key)

    async def aclear(self, scope: StateScope, **_: Any) -> None:  # noqa: ANN401 - the host's options
        """Do what `clear` does."""
        self.clear(scope)

    def serialize_task_state_to_ref(self, *, value: Any, key: str, ti_id: str) -> str:  # noqa: ANN401 - any JSON document
        """Keep a value as JSON, and return the name of its text."""
        self.rows[f"{ti_id} {key}"] = json.dumps(value)
        return f"{ti_id} {key}"

    def deserialize_task_state_from_ref(self, stored: str) -> Any:  # noqa: ANN401 - any JSON document
        """Return the value of a text."""
        return json.loads(self.rows[stored])
