"""The manifest: which layers a write applied, in write order, as canonical ASCII text.

```
manifest = "-" / entry *("+" entry)          ; "-" is the empty manifest
entry    = name "." version *("~" param)     ; params sorted by name, no name twice
param    = name "=" 1*64(ALPHA / DIGIT / "_" / "-")
name     = lower *31(lower / DIGIT / "_")    ; lower = %x61-7A
version  = 1-255, no leading zero
```

Source: docs/format.md, "Manifest".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from lamella.errors import ManifestRefusedError
from lamella.protocols.layer import Entry

__all__ = ["MAX_MANIFEST_CHARS", "Manifest", "format_manifest", "parse_manifest"]

Manifest = tuple[Entry, ...]

MAX_MANIFEST_CHARS: Final = 512
_EMPTY: Final = "-"

_NAME: Final = r"[a-z][a-z0-9_]{0,31}"
_ENTRY: Final = re.compile(rf"({_NAME})\.([1-9][0-9]{{0,2}})((?:~{_NAME}=[A-Za-z0-9_-]{{1,64}})*)", re.ASCII)


def format_manifest(manifest: Manifest) -> str:
    """Return the one text of a manifest.

    Raises:
        ManifestRefusedError: An entry has no text, or the text is longer than 512 characters.
    """
    text = "+".join(map(_format_entry, manifest)) or _EMPTY
    if parse_manifest(text) != manifest:
        raise ManifestRefusedError("a layer's entry breaks the grammar of manifests; correct its name or parameters")
    return text


@lru_cache(maxsize=256)
def parse_manifest(text: str) -> Manifest:
    """Return the entries of a manifest's text, in write order.

    Raises:
        ManifestRefusedError: It is not the canonical spelling of a manifest.
    """
    if len(text) > MAX_MANIFEST_CHARS:
        raise ManifestRefusedError(f"the manifest is longer than {MAX_MANIFEST_CHARS} characters")
    if text == _EMPTY:
        return ()
    return tuple(map(_parse_entry, text.split("+")))


def _format_entry(entry: Entry) -> str:
    return f"{entry.name}.{entry.version}" + "".join(f"~{name}={value}" for name, value in entry.params)


def _parse_entry(text: str) -> Entry:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise ManifestRefusedError("the manifest breaks its grammar")
    name, version, params = match[1], int(match[2]), match[3]
    pairs = tuple(_pair(param) for param in params.split("~")[1:])
    names = [name for name, _ in pairs]
    if version > 255 or names != sorted(set(names)):  # noqa: PLR2004 - the grammar's bound, one byte
        raise ManifestRefusedError("the manifest breaks its grammar")
    return Entry(name, version, pairs)


def _pair(param: str) -> tuple[str, str]:
    name, _, value = param.partition("=")
    return name, value
