"""The one way from a coroutine to a call that may block."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import ParamSpec

    P = ParamSpec("P")

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a call in a thread of the loop's pool, so that the loop goes on; raises what the call raises."""
    import asyncio  # noqa: PLC0415 - a worker without a loop does not pay for it

    return await asyncio.to_thread(call, *args, **kwargs)
