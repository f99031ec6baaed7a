"""Write the seeds of every target from the vectors: `python fuzz/seed.py [FOLDER]`, by default fuzz/corpus.

A seed is named by the SHA-256 of its bytes, so writing it again changes nothing. Other files of a corpus stay.
"""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fuzz_resealed import ORDERS
from harness import VECTORS
from hostile import ADDRESS, SEALED

from lamella.armour import unarmour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["MAX_FILES", "MAX_FILE_BYTES", "main", "seeds"]

MAX_FILES: Final = 150
"""How many seeds a target has at most."""

MAX_FILE_BYTES: Final = 64 * 1024

_CORPUS: Final = Path(__file__).parent / "corpus"


def main() -> None:
    """Write every seed of every target."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _CORPUS
    for target in _MADE:
        (folder / target).mkdir(parents=True, exist_ok=True)
        for seed in seeds(target):
            (folder / target / hashlib.sha256(seed).hexdigest()[:32]).write_bytes(seed)


def seeds(target: str) -> list[bytes]:
    """Return the seeds of a target, the accepted vectors first."""
    made = dict.fromkeys(seed for family, make in _MADE[target] for vector in _vectors(family) for seed in make(vector))
    return [seed for seed in made if len(seed) <= MAX_FILE_BYTES][:MAX_FILES]


def _vectors(family: str) -> Iterator[dict[str, Any]]:
    for kind in ("accept", "reject"):
        for path in sorted((VECTORS / family / kind).glob("*.json")):
            yield json.loads(path.read_text(encoding="utf-8"))


def _text(field: str) -> Callable[[dict[str, Any]], Iterable[bytes]]:
    return lambda vector: [vector[field].encode("utf-8", "surrogatepass")]


def _bytes(field: str) -> Callable[[dict[str, Any]], Iterable[bytes]]:
    return lambda vector: [bytes.fromhex(vector[field])]


def _runs(runs: list[tuple[str, int]]) -> bytes:
    return b"".join(bytes.fromhex(text) * count for text, count in runs)


def _encoded(vector: dict[str, Any]) -> Iterable[bytes]:
    yield _runs(vector["encoded"])


def _documents(vector: dict[str, Any]) -> Iterable[bytes]:
    """Give the document, and its body alone, which the target tags afresh."""
    document = vector["document"]
    yield document.encode("utf-8", "surrogatepass")
    with suppress(ValueError, IndexError):
        yield unarmour(document.split(":")[2])


def _seals(vector: dict[str, Any]) -> Iterable[bytes]:
    """Give the sealed payload as it is, and the plain one to be sealed and changed at its first byte, or cut there."""
    yield b"\0" + bytes.fromhex(vector["sealed"])
    if "plain" in vector:
        plain = _runs(vector["plain"])
        yield b"\1\0\0\1" + plain
        yield b"\1\xff\xff\0" + plain


def _block(body: bytes) -> bytes:
    return len(body).to_bytes(2, "big") + body


def _served(vector: dict[str, Any]) -> Iterable[bytes]:
    """Give the head and the parts of an object that stands at the address of the target."""
    place = SEALED.engine.place(ADDRESS)
    objects = vector["stores"].get("main") or {}
    head = bytes.fromhex(objects.get(place.head, ""))
    if head and len(head) < 1 << 16:
        parts = [bytes.fromhex(objects[each]) for each in sorted(objects) if each.startswith(place.parts)]
        yield bytes([vector["required"] == 0, 0]) + _block(head) + b"".join(map(_block, parts))


def _values(vector: dict[str, Any]) -> Iterable[bytes]:
    """Give a value to be put through every order of layers, whole and in three parts."""
    if vector.get("codec") != 0:
        return
    text = json.dumps(vector["value"]).encode()
    for order in range(len(ORDERS)):
        yield bytes([order, 0, 0]) + _block(b"") + text
    yield bytes([1, 0x40, 3]) + _block(b"") + text


def _entering(order: int, layer: int, make: Callable[[dict[str, Any]], Iterable[bytes]]) -> Any:  # noqa: ANN401 - a function of a vector
    """Give what a layer of an order gets to decode, or what the first one gives."""
    return lambda vector: [bytes([order, layer + 1, 0]) + _block(b"") + payload for payload in make(vector)]


def _records(vector: dict[str, Any]) -> Iterable[bytes]:
    yield bytes([1, 0, 2]) + _block(bytes.fromhex(vector["record"])) + b'"value"'


_MADE: Final[dict[str, list[tuple[str, Callable[[dict[str, Any]], Iterable[bytes]]]]]] = {
    "ref": [("ref", _text("ref")), ("object", _text("ref"))],
    "manifest": [("manifest", _text("text"))],
    "envelope": [("envelope", _bytes("object"))],
    "head": [("head", _bytes("record"))],
    "lead": [("lead", _bytes("payload"))],
    "keyring": [("keyring", _documents)],
    "zstd": [("zstd", _encoded)],
    "padme": [("padme", _encoded)],
    "cobblestone256": [("cobblestone256", _seals)],
    "read": [("object", _served)],
    "resealed": [
        ("head", _records),
        ("lead", _entering(3, 0, _bytes("payload"))),
        ("zstd", _entering(0, 1, _encoded)),
        ("padme", _entering(0, 2, _encoded)),
        ("object", _values),
    ],
}


if __name__ == "__main__":
    main()
