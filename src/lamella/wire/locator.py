"""Ids and locators: where an object rests, a pure function of its address.

```
scope_id = HMAC(record["scope", deployment, kind, field name, field value, ...])[:16]
key_id   = HMAC(record["key", scope_id, map index, key])[:16]
head     = "o1/" scope_id "/" map_index "/" key_id                             ; ids in lower-case hex
part     = "p1/" scope_id "/" map_index "/" key_id "/" generation "/" number   ; number in 8 digits
```

HMAC is HMAC-SHA-256 under the keyring's `id/mac` sub-key, over a canonical msgpack record, which no two lists of fields
share. Text is UTF-8 as it came, an id inside a record its hex text.

Source: docs/format.md, "Ids and locators".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lamella.errors import AddressError
from lamella.scope import AssetScope, TaskScope
from lamella.wire.record import pack_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.scope import Address, Scope

__all__ = [
    "ALL_HEADS",
    "ALL_PARTS",
    "GENERATION_BYTES",
    "KINDS",
    "PLACE_PATTERN",
    "Place",
    "key_place",
    "scope_id",
    "scope_prefixes",
]

KINDS: Final = ("asset", "task", "xcom")
GENERATION_BYTES: Final = 16
ALL_HEADS: Final = "o1/"
ALL_PARTS: Final = "p1/"
PLACE_PATTERN: Final = r"(?P<scope>[0-9a-f]{32})/(?P<index>-1|0|[1-9][0-9]{0,9})/(?P<key>[0-9a-f]{32})"
"""What a place looks like in a locator and in a ref, as a regular expression with three named groups."""
_ID_BYTES: Final = 16


class Place(NamedTuple):
    """An address as the store and the ref know it.

    Attributes:
        kind: `task`, `asset` or `xcom`.
        scope_id: 16 bytes in lower-case hex.
        map_index: -1 or the index of a mapped task.
        key_id: 16 bytes in lower-case hex.
    """

    kind: str
    scope_id: str
    map_index: int
    key_id: str

    @property
    def head(self) -> str:
        """The locator of the object, or of the head of a split value."""
        return f"{ALL_HEADS}{self.scope_id}/{self.map_index}/{self.key_id}"

    @property
    def parts(self) -> str:
        """The prefix of all parts of all generations."""
        return f"{ALL_PARTS}{self.scope_id}/{self.map_index}/{self.key_id}/"

    def generation(self, generation: bytes) -> str:
        """Return the prefix of the parts of one generation, 16 bytes."""
        return f"{self.parts}{generation.hex()}/"

    def part(self, generation: bytes, number: int) -> str:
        """Return the locator of one part."""
        return f"{self.generation(generation)}{number:08d}"


def scope_id(mac: Callable[[bytes], bytes], deployment: str, scope: Scope) -> str:
    """Return the opaque id of a scope without its map index: 16 bytes in hex.

    Raises:
        AddressError: It is no scope, or a host's own.
    """
    if not isinstance(scope, (TaskScope, AssetScope)):
        found = f"{type(scope).__module__}.{type(scope).__name__}"
        raise AddressError(f"a scope is a lamella.TaskScope or a lamella.AssetScope, not a {found}")
    named = [text for pair in scope.fields() for text in pair]
    return mac(pack_record(["scope", deployment, scope.kind, *named]))[:_ID_BYTES].hex()


def key_place(mac: Callable[[bytes], bytes], scope_hex: str, address: Address) -> Place:
    """Return where an address rests, given its scope's id."""
    scope = address.scope
    message = pack_record(["key", scope_hex, scope.map_index, address.key])
    return Place(scope.kind, scope_hex, scope.map_index, mac(message)[:_ID_BYTES].hex())


def scope_prefixes(scope_hex: str, map_index: int | None) -> tuple[str, str]:
    """Return the prefixes of a scope's heads and parts; None means all map indices."""
    below = f"{scope_hex}/" if map_index is None else f"{scope_hex}/{map_index}/"
    return ALL_HEADS + below, ALL_PARTS + below
