"""The ways off an event loop beside Airflow's own traffic.

Not the threads of the loop's pool: what waits there for Airflow's connection may wait for a coroutine of Airflow's,
which holds the connection and waits for a thread of that pool.

Source: docs/airflow.md, "Async tasks".
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from typing_extensions import ParamSpec

    P = ParamSpec("P")

__all__ = ["talk", "work"]

T = TypeVar("T")

_WORKERS: Final = 8
_THREADS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Threads]] = WeakKeyDictionary()


class _Threads(NamedTuple):
    """The threads of one event loop.

    Attributes:
        talking: One, for calls that Airflow shall answer in turn.
        working: Several, for the layers' work.
    """

    talking: ThreadPoolExecutor
    working: ThreadPoolExecutor


async def talk(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a call that may ask Airflow, off the event loop; raises what the call raises."""
    return await _run(_threads().talking, partial(call, *args, **kwargs))


async def work(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a call that does the layers' work, off the event loop; raises what the call raises."""
    return await _run(_threads().working, partial(call, *args, **kwargs))


def _threads() -> _Threads:
    from asyncio import get_running_loop  # noqa: PLC0415 - a task without a loop does not pay for it

    loop = get_running_loop()
    if loop not in _THREADS:
        _THREADS[loop] = _Threads(ThreadPoolExecutor(1, "lamella-talking"), ThreadPoolExecutor(_WORKERS, "lamella"))
    return _THREADS[loop]


async def _run(threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    from asyncio import wrap_future  # noqa: PLC0415 - likewise

    return await wrap_future(threads.submit(copy_context().run, call))
