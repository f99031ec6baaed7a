"""Directory stores that are slow in the one way that tells a held event loop from a slow machine."""

from __future__ import annotations

import asyncio
from importlib import import_module
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import pytest

__all__ = ["SlowStore"]

_METHODS = ("put", "get", "delete", "list")
_BACKSTOP_SECONDS = 60

_T = TypeVar("_T")


class SlowStore:
    """Lets every call of a directory store wait for a sign of the event loop, which one that is held never gives.

    Attributes:
        calls: the names of the methods that were called while `run` ran, in their order.
    """

    def __init__(self, patch: pytest.MonkeyPatch, *, backstop_seconds: float = _BACKSTOP_SECONDS) -> None:
        """Slow the store; calls wait only while `run` runs, and in vain for the backstop's seconds."""
        self.calls: list[str] = []
        self._backstop_seconds = backstop_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._meeting = Barrier(1)
        store = import_module("lamella_layers.store.directory").DirectoryStore
        for name in _METHODS:
            patch.setattr(store, name, self._slowed(name, getattr(store, name)))

    def run(self, work: Coroutine[Any, Any, _T], *, side_by_side: int = 1) -> _T:
        """Run on a new event loop.

        Args:
            work: what runs.
            side_by_side: how many calls of the store go on together; one alone waits for the others.

        Returns:
            What the work returns.
        """

        async def slowly() -> _T:
            self._loop = asyncio.get_running_loop()
            try:
                return await work
            finally:
                self._loop = None

        self._meeting = Barrier(side_by_side)
        return asyncio.run(slowly())

    def _slowed(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._loop is not None:
                self.calls.append(name)
                self._wait_for(self._loop)
            return method(*args, **kwargs)

        return call

    def _wait_for(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for the loop, then for the other calls.

        Raises:
            TimeoutError: The loop is held.
            threading.BrokenBarrierError: The other calls do not come.
        """
        free = Event()
        loop.call_soon_threadsafe(free.set)
        if not free.wait(self._backstop_seconds):
            raise TimeoutError("the event loop is held while the store is at work")
        self._meeting.wait(self._backstop_seconds)
