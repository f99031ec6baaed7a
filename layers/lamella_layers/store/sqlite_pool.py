"""The open SQLite connections of this process, none of which a fork may carry along.

SQLite keeps its file locks by process and inode, in memory that a forked child inherits while the locks stay with the
parent: a connection that the child opens then believes that it holds them, and loses writes once the parent closes.
So a fork waits for the calls in progress and closes every connection first; both sides open new ones on demand.

Source: https://www.sqlite.org/howtocorrupt.html, "Carrying an open database across a fork()".
"""

from __future__ import annotations

import os
import weakref
from threading import Condition, RLock
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Pool"]

_LOCK: Final = RLock()
_POLL_SECONDS: Final = 0.05


class _Call:
    """A call in progress, held by its frame alone: it ends with that, wherever a signal's handler raises."""

    __slots__ = ("__weakref__",)


class Pool:
    """The connections of one store: as many as it ever had calls at once."""

    _gate: ClassVar[Condition] = Condition(_LOCK)
    _pools: ClassVar[weakref.WeakSet[Pool]] = weakref.WeakSet()
    _pending_forks: ClassVar[int] = 0

    def __init__(self, connect: Callable[[], sqlite3.Connection], path: Path) -> None:
        """Open nothing yet; `connect` opens one to the file at `path`.

        A file that was removed or replaced goes on under the connections that had it open, and what is written to them
        nobody else sees; so a connection is lent only while its file is the one that is there.
        """
        self._connect = connect
        self._path = path
        self._calls: set[weakref.ref[_Call]] = set()
        self._idle: list[tuple[object, sqlite3.Connection]] = []
        self._pools.add(self)
        weakref.finalize(self, _close, self._idle)

    def run(self, statement: str, parameters: Any) -> tuple[list[Any], int]:  # noqa: ANN401 - a sequence or a mapping
        """Run a statement, a transaction of its own, on a connection that no other call has.

        Returns:
            The rows, and how many the statement changed.

        Raises:
            sqlite3.Error: SQLite failed.
        """
        call = _Call()
        with _LOCK:
            while self._pending_forks:
                self._gate.wait()
            self._calls.add(weakref.ref(call, self._calls.discard))
            lent = self._idle.pop() if self._idle else None
        try:
            if lent is not None and lent[0] != _identify(self._path):
                lent[1].close()
                lent = None
            if lent is None:
                connection = self._connect()
                lent = _identify(self._path), connection
            cursor = lent[1].execute(statement, parameters)
            # Fetching every row ends the transaction.
            result = cursor.fetchall(), cursor.rowcount
        except BaseException:
            # A statement that was interrupted would keep its transaction open.
            if lent is not None:
                lent[1].close()
            lent = None
            raise
        finally:
            with _LOCK:
                if lent is not None:
                    self._idle.append(lent)
                del call
                self._gate.notify_all()
        return result

    def close(self) -> None:
        """Close what no call has."""
        with _LOCK:
            _close(self._idle)

    @classmethod
    def before_fork(cls) -> None:
        """Wait for the calls in progress, close every connection, and let no call begin."""
        _LOCK.acquire()
        cls._pending_forks += 1
        while any(pool._calls for pool in cls._pools):  # noqa: SLF001 - its own class
            # A call that a signal's handler broke off may end without a word.
            cls._gate.wait(_POLL_SECONDS)
        for pool in cls._pools:
            _close(pool._idle)  # noqa: SLF001 - its own class

    @classmethod
    def after_fork_in_parent(cls) -> None:
        """Let calls begin again, unless another thread is about to fork."""
        cls._pending_forks -= 1
        cls._gate.notify_all()
        _LOCK.release()

    @classmethod
    def after_fork_in_child(cls) -> None:
        """Let calls begin: the other threads, and what they were about to do, are not in the child."""
        cls._pending_forks = 0
        _LOCK.release()


def _identify(path: Path) -> tuple[int, int] | None:
    """Tell which file is at a path now."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a path's own method costs twice as much, at every call
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _close(connections: list[tuple[object, sqlite3.Connection]]) -> None:
    while connections:
        connections.pop()[1].close()


os.register_at_fork(
    before=Pool.before_fork, after_in_parent=Pool.after_fork_in_parent, after_in_child=Pool.after_fork_in_child
)
