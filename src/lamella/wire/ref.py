"""The ref: the string that the host keeps.

```
ref      = "lamella:1:" ref-key ":" alias ":" manifest ":" kind ":" place [":" body] ":" tag
ref-key  = 8HEX                          ; id of the key of the tag, lower case as all hex here
alias    = lower *31(lower / DIGIT / "_" / "-")
kind     = "asset" / "task" / "xcom"
place    = 32HEX "/" ("-1" / index) "/" 32HEX
index    = "0" / (%x31-39 *9DIGIT)
body     = base64url, no padding, canonical
tag      = 43 base64url characters       ; HMAC-SHA-256 over all that stands before it, last colon included
```

The tag is checked before anything behind it is looked at, and only this spelling is accepted.

Source: docs/format.md, "Ref"; RFC 4648 section 5.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.hazmat.primitives.constant_time import bytes_eq

from lamella.armour import armour, unarmour
from lamella.errors import MalformedRefError, RefTagError, UnsupportedRefVersionError
from lamella.wire.locator import KINDS, PLACE_PATTERN, Place
from lamella.wire.manifest import parse_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.limits import Limits

__all__ = ["ALIAS", "PREFIX", "Ref", "format_ref", "parse_ref", "peek_ref"]

PREFIX: Final = "lamella:"
ALIAS: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)

_VERSION: Final = "1"
_TAG_CHARS: Final = 43
_SIGNED: Final = re.compile(r"lamella:1:([0-9a-f]{8}):.+:", re.ASCII | re.DOTALL)
_FIELDS: Final = re.compile(
    rf"lamella:1:[0-9a-f]{{8}}:(?P<alias>{ALIAS.pattern}):(?P<manifest>[^:]+):(?P<kind>[a-z]+)"
    rf":{PLACE_PATTERN}(?::(?P<body>[A-Za-z0-9_-]+))?:",
    re.ASCII,
)


class Ref(NamedTuple):
    """What a ref says.

    Attributes:
        alias: The name of a configured store.
        manifest: The manifest's text.
        place: Where the object rests.
        body: The object itself (inline store) or an inner backend's ref; else None.
    """

    alias: str
    manifest: str
    place: Place
    body: bytes | None = None


def format_ref(ref: Ref, ref_key_id: bytes, mac: Callable[[bytes, bytes], bytes]) -> str:
    """Return the text of a ref, tagged under the key of that id (4 bytes)."""
    place = ref.place
    body = "" if ref.body is None else f":{armour(ref.body)}"
    signed = (
        f"lamella:1:{ref_key_id.hex()}:{ref.alias}:{ref.manifest}:{place.kind}"
        f":{place.scope_id}/{place.map_index}/{place.key_id}{body}:"
    )
    return signed + armour(mac(signed.encode("ascii"), ref_key_id))


def parse_ref(text: str, limits: Limits, mac: Callable[[bytes, bytes], bytes]) -> Ref:
    """Verify a ref's tag, then read it.

    Raises:
        MalformedRefError: It is no ref, too long, or not a ref's canonical spelling.
        UnsupportedRefVersionError: A newer release wrote it.
        RefTagError: The tag does not verify.
        KeyVersionNotFoundError: The keyring lacks the key of the tag.
        ManifestRefusedError: The manifest breaks its grammar.
    """
    signed, ref_key_id, tag = _split(text, limits)
    if not bytes_eq(armour(mac(signed.encode("ascii"), ref_key_id)).encode("ascii"), tag.encode("ascii")):
        raise RefTagError(
            "the ref's tag does not verify: it was altered, forged, or written under another keyring; "
            "compare the keyring's deployment and id with the writer's"
        )
    return _read(signed)


def peek_ref(text: str, limits: Limits) -> Ref:
    """Read a ref without its keys, for inspection only: nothing in it is verified.

    Raises:
        MalformedRefError: It is no ref, too long, or not a ref's canonical spelling.
        UnsupportedRefVersionError: A newer release wrote it.
        ManifestRefusedError: The manifest breaks its grammar.
    """
    return _read(_split(text, limits)[0])


def _split(text: str, limits: Limits) -> tuple[str, bytes, str]:
    if not isinstance(text, str) or not text.startswith(PREFIX):
        raise MalformedRefError("this is not a Lamella ref: it does not begin with 'lamella:'")
    if len(text) > limits.max_ref_chars + limits.max_inline_bytes * 4 // 3:
        raise MalformedRefError(f"the ref has {len(text)} characters, more than any ref within the limits")
    if text.split(":", 2)[1] != _VERSION:
        raise UnsupportedRefVersionError("the ref is of a version that this release does not read; upgrade Lamella")
    signed, tag = text[:-_TAG_CHARS], text[-_TAG_CHARS:]
    match = _SIGNED.fullmatch(signed)
    if match is None or not text.isascii():
        raise MalformedRefError("the ref is cut or misspelt; compare it with the string that put returned")
    return signed, bytes.fromhex(match[1]), tag


def _read(signed: str) -> Ref:
    match = _FIELDS.fullmatch(signed)
    if match is None:
        raise _broken()
    alias, manifest, kind, scope_id, index, key_id, body = match.groups()
    if kind not in KINDS:
        raise _broken()
    parse_manifest(manifest)
    return Ref(alias, manifest, Place(kind, scope_id, int(index), key_id), None if body is None else _parse_body(body))


def _broken() -> MalformedRefError:
    return MalformedRefError(
        "the ref breaks the grammar of refs: it was altered, or a newer release wrote it; "
        "compare it with the string that put returned, or upgrade Lamella"
    )


def _parse_body(text: str) -> bytes:
    try:
        raw = unarmour(text)
    except ValueError:
        raw = b""
    if armour(raw) != text:
        raise MalformedRefError("the ref's body is not canonical base64url")
    return raw
