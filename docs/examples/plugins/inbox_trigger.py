"""A trigger for watchers: it fires once for each file of a folder, also when the triggerer is started anew."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class InboxTrigger(BaseEventTrigger):
    """Watches a folder.

    The names of the files that were seen are kept in the state of the asset that is watched. An event holds their
    number alone, since Airflow keeps events in its database as they are. What may block runs in a thread: the state
    store reads and writes objects, and the triggerer's event loop serves other triggers, too.
    """

    def __init__(self, folder: str, poll_seconds: float = 1.0) -> None:
        """Take the folder, and how long to wait between two looks at it."""
        super().__init__()
        self.folder = folder
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make the trigger again, on the triggerer."""
        return ("inbox_trigger.InboxTrigger", {"folder": self.folder, "poll_seconds": self.poll_seconds})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire for each file that was not seen before."""
        state = self.asset_state_store
        seen = await asyncio.to_thread(state.get, "seen", default=[])
        while True:
            for name in await asyncio.to_thread(self.arrived, seen):
                seen = [*seen, name]
                await asyncio.to_thread(state.set, "seen", seen)
                yield TriggerEvent({"files": len(seen)})
            await asyncio.sleep(self.poll_seconds)

    def arrived(self, seen: list[str]) -> list[str]:
        """Return the names of the files that are new."""
        return sorted(path.name for path in Path(self.folder).glob("*") if path.name not in seen)
