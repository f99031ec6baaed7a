"""Progress on the standard error of a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from lamella.flow.stream import pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamella.flow.stream import StreamSource
    from lamella.protocols.layer import Payload

__all__ = ["counting", "tallying"]

T = TypeVar("T")

_ITEMS_A_STEP: Final = 100


@contextmanager
def counting(what: str, size_bytes: int | None) -> Iterator[Callable[[StreamSource], StreamSource]]:
    """Give a function that passes a source on and moves the bar.

    Args:
        what: One word for what is going on.
        size_bytes: The size of the source, where it is known.
    """
    if not sys.stderr.isatty():
        yield lambda source: source
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal waits for rich
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415 - likewise

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=size_bytes)

        def counted(source: StreamSource) -> Payload:
            for piece in pieces(source):
                yield piece
                progress.advance(task, len(piece))

        yield counted


@contextmanager
def tallying(total: int | None = None) -> Iterator[Callable[[str, Iterable[T]], Iterable[T]]]:
    """Give a function that passes items on and shows how many there were, under a word for what they are.

    Args:
        total: How many there are, where that is known.
    """
    if not sys.stderr.isatty():
        yield lambda _, items: items
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal waits for rich
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - likewise

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def tallied(what: str, items: Iterable[T]) -> Iterable[T]:
            task, number = progress.add_task(what, total=total), 0
            for number, item in enumerate(items, 1):
                yield item
                if not number % _ITEMS_A_STEP:
                    progress.update(task, completed=number)
            progress.update(task, completed=number, total=number)

        yield tallied
