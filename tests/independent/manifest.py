"""Manifests, what admits them and the floor, from "Manifest" and "Strength classes and suites"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from independent.notation import MAX_LAYERS, require

__all__ = ["SPLIT", "Entry", "admit", "check_floor", "parse_manifest", "seal_positions"]

SPLIT = "chunk"
_STRENGTHS = {("zstd", 1): 0, ("padme", 1): 0, (SPLIT, 1): 0, ("cobblestone256", 1): 200}
_NAME = "[a-z][a-z0-9_]{0,31}"
_ENTRY = rf"({_NAME})\.([1-9][0-9]{{0,2}})((?:~{_NAME}=[A-Za-z0-9_-]{{1,64}})*)"
_MAX_CHARS = 512
_MAX_VERSION = 255


@dataclass(frozen=True)
class Entry:
    """One layer of a manifest."""

    name: str
    version: int
    params: tuple[tuple[str, str], ...]

    @property
    def strength(self) -> int:
        """Return the strength class of the layer."""
        return _STRENGTHS[self.name, self.version]


def _require(condition: object, reason: str) -> None:
    require(condition, "ManifestRefusedError", reason)


def _parse_entry(text: str) -> Entry:
    match = re.fullmatch(_ENTRY, text)
    _require(match, "grammar")
    _require(int(match[2]) <= _MAX_VERSION, "version")
    params = tuple(tuple(param.split("=")) for param in match[3].split("~")[1:])
    names = [name for name, _ in params]
    _require(names == sorted(set(names)), "params")
    return Entry(match[1], int(match[2]), params)


def parse_manifest(text: str) -> tuple[Entry, ...]:
    """Read a manifest."""
    _require(len(text) <= _MAX_CHARS, "length")
    return () if text == "-" else tuple(_parse_entry(entry) for entry in text.split("+"))


def seal_positions(entries: tuple[Entry, ...]) -> list[int]:
    """Say where the seals of a manifest stand."""
    return [position for position, entry in enumerate(entries) if entry.strength]


def admit(text: str, required: int) -> tuple[Entry, ...]:
    """Read a manifest and refuse one that this reader, or the required strength class, does not admit."""
    entries = parse_manifest(text)
    _require(len(entries) <= MAX_LAYERS, "layers")
    _require(all((entry.name, entry.version) in _STRENGTHS and not entry.params for entry in entries), "layers")
    _require(sum(entry.name == SPLIT for entry in entries) <= 1, "layers")
    _require(max((entry.strength for entry in entries), default=0) >= required, "policy")
    return entries


def check_floor(promised: tuple[Entry, ...], found: tuple[Entry, ...]) -> None:
    """Refuse an object whose seals are weaker than those of the ref."""
    p, f = (sorted((e.strength for e in entries if e.strength), reverse=True) for entries in (promised, found))
    _require(p and len(f) >= len(p) and all(b >= a for a, b in zip(p, f, strict=False)), "floor")
