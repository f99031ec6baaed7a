"""Looking for canaries in every byte that a store keeps."""

from __future__ import annotations

import base64
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from lamella.flow.stream import pieces
from lamella.wire.locator import ALL_HEADS, ALL_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from lamella.keys.record import KeyringRecord
    from lamella.protocols.layer import Segment
    from lamella.protocols.store import Store, StoredObject

__all__ = ["Scanned", "all_objects", "key_canaries", "of_files", "of_objects", "scan"]


class Scanned(NamedTuple):
    """What a scan saw.

    Attributes:
        size_bytes: How much was looked through.
        found: The names of the canaries that were there.
    """

    size_bytes: int
    found: frozenset[str]


def key_canaries(record: KeyringRecord) -> dict[str, bytes]:
    """Return every secret of a keyring, raw and in the usual spellings."""
    spelled: dict[str, bytes] = {}
    for key in record.keys:
        name = f"{key.role} key {key.key_id.hex()}"
        spelled[name] = key.secret
        spelled[f"{name} in hex"] = key.secret.hex().encode()
        spelled[f"{name} in base64"] = base64.b64encode(key.secret).rstrip(b"=")
    return spelled


def scan(canaries: Mapping[str, bytes], source: Iterable[Segment]) -> Scanned:
    """Look for every canary, also across the borders of segments."""
    overlap = max(map(len, canaries.values())) - 1
    found: set[str] = set()
    size_bytes, tail = 0, b""
    for segment in source:
        size_bytes += len(segment)
        window = tail + bytes(segment)
        found |= {name for name, canary in canaries.items() if canary in window}
        tail = window[-overlap:]
    return Scanned(size_bytes, frozenset(found))


def of_files(folder: Path) -> Iterator[Segment]:
    """Yield the names and the raw bytes of all files in a folder."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        yield str(path.relative_to(folder)).encode()
        with path.open("rb") as file:
            yield from pieces(file)


def of_objects(store: Store) -> Iterator[Segment]:
    """Yield the locators and the bytes of all objects of a store."""
    for each in all_objects(store):
        yield each.locator.encode()
        yield from store.get(each.locator)[1]


def all_objects(store: Store) -> Iterator[StoredObject]:
    """List all heads and parts of a store."""
    return chain(store.list(ALL_HEADS), store.list(ALL_PARTS))
