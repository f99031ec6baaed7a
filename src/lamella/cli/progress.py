"""A progress bar on the standard error of a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from lamella.limits import SEGMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamella.protocols.layer import Payload, Segment

__all__ = ["counting"]


@contextmanager
def counting(what: str, size_bytes: int | None) -> Iterator[Callable[[BinaryIO | Iterable[Segment]], Payload]]:
    """Give a function that passes a source's segments on and moves the bar.

    Args:
        what: One word for what is going on.
        size_bytes: The size of the source, where it is known.
    """
    if not sys.stderr.isatty():
        yield _segments
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal waits for rich
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415 - likewise

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=size_bytes)

        def counted(source: BinaryIO | Iterable[Segment]) -> Payload:
            for segment in _segments(source):
                yield segment
                progress.advance(task, len(segment))

        yield counted


def _segments(source: BinaryIO | Iterable[Segment]) -> Payload:
    if hasattr(source, "read"):
        return iter(lambda: source.read(SEGMENT_BYTES), b"")
    return iter(source)
