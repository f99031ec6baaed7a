"""What a signal's handler raises, such as a host's time-out: it passes as it is, wherever it happened to fall."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING, Any

from lamella.errors import LamellaError

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["interruption", "passes", "raise_interruption"]


def interruption(error: BaseException) -> BaseException | None:
    """Return what a signal's handler raised, such as a host's time-out, be it this error or one that this one hides.

    It says nothing of the object at hand, wherever it happened to fall. What a caller caught, and is handling while it
    makes this call, is none of it: that ended an earlier one.
    """
    codes = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    callers = _callers(error)
    raised: BaseException | None = error
    while raised is not None:
        trace = raised.__traceback__
        if trace is not None and trace.tb_frame in callers:
            return None
        while trace is not None:
            if trace.tb_frame.f_code in codes:
                return raised
            trace = trace.tb_next
        raised = raised.__context__
    return None


def _callers(error: BaseException) -> set[FrameType]:
    """Return the frames outside the one that an error has reached."""
    frame = None if error.__traceback__ is None else error.__traceback__.tb_frame
    callers = set()
    while frame is not None and (frame := frame.f_back) is not None:
        callers.add(frame)
    return callers


def _code(handler: Any) -> object:  # noqa: ANN401 - a number, or whatever can be called
    """Return the code of a signal's handler, None where it is not written in Python."""
    while isinstance(handler, partial):
        handler = handler.func
    if not callable(handler):
        return None
    return getattr(handler, "__code__", None) or getattr(handler.__call__, "__code__", None)


def raise_interruption(error: BaseException) -> None:
    """Raise what a signal's handler raised, where this error is it or hides it."""
    raised = interruption(error)
    if raised is not None:
        raise raised from raised.__cause__


def passes(error: Exception) -> bool:
    """Tell whether what a plugin raised leaves as it is: named already, or no memory left; raises an interruption."""
    raise_interruption(error)
    return isinstance(error, (LamellaError, MemoryError))
