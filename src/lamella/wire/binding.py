"""The binding: what a seal authenticates beside its payload, so that an object opens only where it was written.

```
binding = record[format version, manifest, suite, mode, flags, position, deployment, kind, scope id (hex text),
                 map index, key id (hex text), part (bin), hedge (bin 16), sealed_at]
part    = empty                                                          ; a seal before the split, or no split
        / "whole"                                                        ; a seal after it, the value is one object
        / "head"                                                         ; the head record
        / "part" generation (16 bytes) number (unsigned 32-bit big-endian) last (0x00 / 0x01)
```

A record is canonical msgpack, in which every field carries its length.
`key id` is the address's; the data key's id and the wrapped key stay out, so that a rewrap leaves the payload valid.

Source: docs/format.md, "Binding".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamella.wire.envelope import FORMAT
from lamella.wire.record import pack_record

if TYPE_CHECKING:
    from lamella.protocols.layer import FactBlock
    from lamella.wire.locator import Place

__all__ = ["PART_BEFORE_SPLIT", "PART_HEAD", "PART_WHOLE", "pack_binding", "part_label"]

PART_BEFORE_SPLIT: Final = b""
PART_WHOLE: Final = b"whole"
PART_HEAD: Final = b"head"


def part_label(generation: bytes, number: int, *, last: bool) -> bytes:
    """Name one part of one generation inside a binding."""
    return b"part" + generation + number.to_bytes(4, "big") + bytes([last])


def pack_binding(deployment: str, manifest: str, place: Place, part: bytes, facts: FactBlock) -> bytes:
    """Return the canonical bytes; the seal's own part of them comes from its facts."""
    seal = (facts.suite, facts.mode, facts.flags, facts.position)
    return pack_record([FORMAT, manifest, *seal, deployment, *place, part, facts.hedge, facts.sealed_at])
