"""The ways off an event loop beside Airflow's own traffic.

Not the threads of the loop's pool: what waits there for Airflow's connection may wait for a coroutine of Airflow's,
which holds the connection and waits for a thread of that pool.

In a thread a question and its answer stay together whatever happens to the coroutine that waits for them.

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
    from concurrent.futures import Future

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
    """Run a call that may ask Airflow, off the event loop; raises what the call raises.

    A cancelled one ends when its call does, so that the connection is free again, or at once where that never began.
    """
    from asyncio import CancelledError, wait, wrap_future  # noqa: PLC0415 - a task without a loop does not pay for it

    asked = _submit(_threads().talking, partial(call, *args, **kwargs))
    answered = wrap_future(asked)
    try:
        await wait([answered])
    except CancelledError:
        if not asked.cancel():
            await wait([answered])
            answered.exception()  # Looked at, so that the loop does not log it: nobody waits for it any more.
        raise
    return answered.result()


async def work(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a call that does the layers' work, off the event loop; raises what the call raises."""
    from asyncio import wrap_future  # noqa: PLC0415 - likewise

    return await wrap_future(_submit(_threads().working, partial(call, *args, **kwargs)))


def _threads() -> _Threads:
    from asyncio import get_running_loop  # noqa: PLC0415 - likewise

    loop = get_running_loop()
    if loop not in _THREADS:
        _THREADS[loop] = _Threads(ThreadPoolExecutor(1, "lamella-talking"), ThreadPoolExecutor(_WORKERS, "lamella"))
    return _THREADS[loop]


def _submit(threads: ThreadPoolExecutor, call: Callable[[], T]) -> Future[T]:
    return threads.submit(copy_context().run, call)
