"""What a signal's handler raises, such as a host's time-out: it passes as it is, wherever it happened to fall."""

from __future__ import annotations

import signal
from functools import partial
from typing import Any

from lamella.errors import LamellaError

__all__ = ["interruption", "passes"]


def interruption(error: BaseException) -> BaseException | None:
    """Return what a signal's handler raised, such as a host's time-out, be it this error or one that this one hides.

    It says nothing of the object at hand, wherever it happened to fall.
    """
    codes = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    raised: BaseException | None = error
    while raised is not None:
        trace = raised.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code in codes:
                return raised
            trace = trace.tb_next
        raised = raised.__context__
    return None


def _code(handler: Any) -> object:  # noqa: ANN401 - a number, or whatever can be called
    """Return the code of a signal's handler, None where it is not written in Python."""
    while isinstance(handler, partial):
        handler = handler.func
    if not callable(handler):
        return None
    return getattr(handler, "__code__", None) or getattr(handler.__call__, "__code__", None)


def passes(error: Exception) -> bool:
    """Tell whether what a plugin raised leaves as it is: named already, no memory left, or a signal's handler."""
    return isinstance(error, (LamellaError, MemoryError)) or interruption(error) is not None
