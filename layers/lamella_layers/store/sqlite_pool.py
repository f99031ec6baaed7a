"""The open SQLite connections of this process, none of which a fork may carry along.

SQLite keeps its file locks by process and inode, in memory that a forked child inherits while the locks stay with the
parent: a connection that the child opens then believes that it holds them, and loses writes once the parent closes.
So a fork waits for the calls in progress and closes every connection first; both sides open new ones on demand. A fork
by a signal's handler inside a call cannot wait for that call: its child uses no database, nor closes a connection.

Source: https://www.sqlite.org/howtocorrupt.html, "Carrying an open database across a fork()".
"""

from __future__ import annotations

import os
import weakref
from threading import Condition, RLock, get_ident
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from lamella.errors import ForkedProcessError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Pool"]

_LOCK: Final = RLock()
_POLL_SECONDS: Final = 0.05


class _Call:
    """A call in progress, held by its frame alone: it ends with that, wherever a signal's handler raises."""

    __slots__ = ("__weakref__", "thread")

    def __init__(self) -> None:
        self.thread = get_ident()


class Pool:
    """The connections of one store: as many as it ever had calls at once."""

    _gate: ClassVar[Condition] = Condition(_LOCK)
    _pools: ClassVar[weakref.WeakSet[Pool]] = weakref.WeakSet()
    _pending_forks: ClassVar[int] = 0
    _forked_inside: ClassVar[bool] = False
    _carried: ClassVar[list[object]] = []

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
            ForkedProcessError: This process was forked inside a call.
        """
        call = _Call()
        with _LOCK:
            while self._pending_forks:
                self._gate.wait()
            self._calls.add(weakref.ref(call, self._calls.discard))
            lent = self._idle.pop() if self._idle else None
        try:
            if lent is not None and lent[0] != _identify(self._path):
                lent = self._drop(lent)
            if lent is None and not self._forked_inside:
                connection = self._connect()
                lent = _identify(self._path), connection
            if lent is None or self._forked_inside:
                _refuse()
            cursor = lent[1].execute(statement, parameters)
            # Fetching every row ends the transaction.
            result = cursor.fetchall(), cursor.rowcount
        except BaseException:
            # A statement that was interrupted would keep its transaction open.
            lent = self._drop(lent)
            raise
        finally:
            with _LOCK:
                if lent is not None:
                    (self._carried if self._forked_inside else self._idle).append(lent)
                del call
                if self._pending_forks:
                    self._gate.notify_all()
        return result

    def close(self) -> None:
        """Close what no call has."""
        with _LOCK:
            _close(self._idle)

    @classmethod
    def before_fork(cls) -> None:
        """Wait for the calls in progress of other threads, close what no call has, and let no call begin."""
        _LOCK.acquire()
        cls._pending_forks += 1
        while cls._calls_of_others():
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
        for pool in cls._pools:
            cls._forked_inside |= bool(pool._calls)  # noqa: SLF001 - its own class
            pool._calls.clear()  # noqa: SLF001 - its own class
        _LOCK.release()

    @classmethod
    def _calls_of_others(cls) -> bool:
        calls = [call() for pool in cls._pools for call in tuple(pool._calls)]  # noqa: SLF001 - its own class
        return any(call is not None and call.thread != get_ident() for call in calls)

    @classmethod
    def _drop(cls, lent: tuple[object, sqlite3.Connection] | None) -> None:
        """Close a connection, unless it was carried across a fork: such a one is held, since its end would close it."""
        if lent is None:
            return
        if cls._forked_inside:
            cls._carried.append(lent)
        else:
            lent[1].close()


def _refuse() -> NoReturn:
    raise ForkedProcessError(
        "this process was forked by a signal's handler inside a call of a sqlite store; use such stores in processes "
        "that are spawned, or forked elsewhere"
    )


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
