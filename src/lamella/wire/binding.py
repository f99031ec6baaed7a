"""The binding: what a seal authenticates beside its payload, so that an object opens only where it was written.

```
binding = LP(format version, 1 byte) LP(manifest) LP(suite, mode, flags: 1 byte each) LP(position, 1 byte)
          LP(deployment) LP(kind) LP(scope id, 16 bytes) LP(map index, decimal) LP(key id, 16 bytes)
          LP(part) LP(hedge) LP(sealed_at, unsigned 64-bit big-endian)
part    = empty                                                          ; a seal before the split, or no split
        / "whole"                                                        ; a seal after it, the value is one object
        / "head"                                                         ; the head record
        / "part" generation (16 bytes) number (unsigned 32-bit big-endian) last (0x00 / 0x01)
```

`key id` is the address's; the data key's id and the wrapped key stay out, so that a rewrap leaves the payload valid.

Source: docs/format.md, "Binding".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamella.wire.envelope import FORMAT
from lamella.wire.locator import length_prefixed

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
    return length_prefixed(
        bytes([FORMAT]),
        manifest.encode("ascii"),
        bytes([facts.suite, facts.mode, facts.flags]),
        bytes([facts.position]),
        deployment.encode(),
        place.kind.encode("ascii"),
        bytes.fromhex(place.scope_id),
        b"%d" % place.map_index,
        bytes.fromhex(place.key_id),
        part,
        facts.hedge,
        facts.sealed_at.to_bytes(8, "big"),
    )
