"""Forked children for contract suites."""

from __future__ import annotations

import multiprocessing
import warnings
from typing import TYPE_CHECKING

from lamella.errors import LamellaError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

__all__ = ["in_children"]

_CHILD_SECONDS = 120


def in_children(*calls: Callable[[], object]) -> list[object]:
    """Run each call in a forked child of its own, all at once, and return what each returned or raised."""
    context = multiprocessing.get_context("fork")
    running = []
    for call in calls:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_report, args=(call, theirs), daemon=True)
        with warnings.catch_warnings():
            # From Python 3.12 on, a fork beside threads warns; that it works is what is being proved.
            warnings.simplefilter("ignore", DeprecationWarning)
            child.start()
        theirs.close()
        running.append((child, ours))
    results: list[object] = []
    for child, ours in running:
        results.append(ours.recv() if ours.poll(_CHILD_SECONDS) else TimeoutError("the child hangs"))
        child.kill()
        child.join()
        ours.close()
    return results


def _report(call: Callable[[], object], end: Connection) -> None:
    try:
        end.send(call())
    except LamellaError as error:
        end.send(error)
