"""The stack as a picture: one row a layer, from the value down to the store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamella.cli.sizes import Measured

__all__ = ["draw_rows", "draw_sizes"]

_BAR_CHARS = 30


def draw_sizes(measured: Measured, *, to_stderr: bool = False) -> None:
    """Draw the size of a value after each of its layers, with a bar to compare them."""
    objects = "1 object" if not measured.part_count else f"1 head, {measured.part_count} parts"
    sizes = [
        ("value", measured.value_bytes),
        ("with its address", measured.payload_bytes),
        *measured.layers,
        (f"store, {objects}", measured.stored_bytes),
    ]
    largest = max(size for _, size in sizes) or 1
    rows = [(name, f"{size:,} bytes", "#" * max(1, round(_BAR_CHARS * size / largest))) for name, size in sizes]
    draw_rows(rows, right=(1,), to_stderr=to_stderr)


def draw_rows(rows: Iterable[Sequence[str]], *, right: Sequence[int] = (), to_stderr: bool = False) -> None:
    """Draw rows of cells that never wrap, with an arrow before every row but the first.

    Args:
        rows: The cells; every row has as many as the first.
        right: The columns that are set flush right.
        to_stderr: Leave the standard output to the answer.
    """
    from rich.console import Console  # noqa: PLC0415 - only a picture waits for rich
    from rich.table import Table  # noqa: PLC0415 - likewise

    held = list(rows)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for column in range(len(held[0])):
        table.add_column(justify="right" if column in right else "left", no_wrap=True)
    for index, (name, *cells) in enumerate(held):
        table.add_row(f"  {name}" if index == 0 else f"  > {name}", *cells)
    stream = sys.stderr if to_stderr else sys.stdout
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    # A pipe has no width; cutting a line there would lose what a reader looks for.
    console.print(table, width=None if console.is_terminal else 200, soft_wrap=not console.is_terminal)
