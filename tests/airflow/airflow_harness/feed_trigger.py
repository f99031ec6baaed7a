"""A trigger that keeps state by every async way that this Airflow has."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from lamella.airflow import aget, aset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["FeedTrigger", "kept_by"]

_PARALLEL = 8


async def kept_by(accessor: Any, value: object) -> None:
    """Set keys at the same time and read them back, by Lamella's functions and by the accessor's own if it has them.

    Raises:
        ValueError: What was read is not what was set.
    """
    keys = [f"key {number}" for number in range(_PARALLEL)]
    await asyncio.gather(*(aset(accessor, key, [key, value]) for key in keys))
    read = await asyncio.gather(*(aget(accessor, key) for key in keys))
    read.append(await aget(accessor, "never set", ["default", value]))
    if hasattr(accessor, "aget"):
        await accessor.aset("own", ["own", value])
        read += [await accessor.aget("own"), await accessor.aget(keys[0]), await aget(accessor, "own")]
        keys += ["default", "own", keys[0], "own"]
    else:
        keys.append("default")
    if read != [[key, value] for key in keys]:
        raise ValueError("what was read is not what was set")


class FeedTrigger(BaseEventTrigger):
    """Fires once, when its state was kept."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make the trigger again."""
        return ("airflow_harness.feed_trigger.FeedTrigger", {})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Keep state, then fire."""
        await kept_by(self.asset_state_store, os.environ["CANARY"])
        yield TriggerEvent("kept")
        await asyncio.Event().wait()
