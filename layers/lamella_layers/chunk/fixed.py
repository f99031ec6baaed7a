"""The chunk layer: splits a payload into parts of one size.

Source: README.md in this folder, "chunk version 1".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lamella.errors import ConfigError
from lamella.protocols.layer import SplitLayer
from lamella_layers.segments import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamella.protocols.layer import Payload

__all__ = ["Chunk"]

_MIN_PART_BYTES = 64 * 1024
_MAX_PART_BYTES = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk(SplitLayer):
    """Splits at fixed offsets: boundaries that follow the content would tell about it.

    Attributes:
        part_bytes: The size of every part but the last, 64 KiB to 1 GiB.

    Raises:
        ConfigError: The size is not a whole number in that range.
    """

    name: ClassVar[str] = "chunk"

    part_bytes: int = 8 * 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse parts too small to be worth an object, or too long to be sent again."""
        if type(self.part_bytes) is not int or not _MIN_PART_BYTES <= self.part_bytes <= _MAX_PART_BYTES:
            raise ConfigError(
                f"chunk: part_bytes must be a whole number from {_MIN_PART_BYTES} to {_MAX_PART_BYTES}",
                layer=self.name,
            )

    def split(self, source: Payload) -> Iterator[Payload]:
        """Yield the parts, uncopied; the last one may be shorter and is never empty.

        Raises:
            RuntimeError: The next part is asked for before all bytes of this one were taken.
        """
        reader = Reader(source, self.name)
        while reader.more():
            part = _Part(reader, self.part_bytes)
            yield part
            if part.left_bytes and reader.more():
                raise RuntimeError("take all bytes of a part before asking for the next one")


class _Part:
    """The bytes of one part, taken from the shared reader as they are asked for."""

    __slots__ = ("_reader", "left_bytes")

    def __init__(self, reader: Reader, part_bytes: int) -> None:
        self._reader = reader
        self.left_bytes = part_bytes

    def __iter__(self) -> Payload:
        return self

    def __next__(self) -> bytes | memoryview:
        piece = self._reader.up_to(self.left_bytes) if self.left_bytes else b""
        if not piece:
            raise StopIteration
        self.left_bytes -= len(piece)
        return piece
