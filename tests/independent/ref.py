"""The ref, from "Ref"."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from independent.address import Place
from independent.manifest import parse_manifest
from independent.notation import (
    MAX_INLINE_BYTES,
    MAX_REF_CHARS,
    RefusedError,
    expand,
    from_base64url,
    mac,
    require,
    to_base64url,
)

if TYPE_CHECKING:
    from independent.keyring import Keyring

__all__ = ["Ref", "parse_ref"]

_TAG_CHARS = 43
_MAX_CHARS = MAX_REF_CHARS + MAX_INLINE_BYTES * 4 // 3
_FIELDS = re.compile(
    r"lamella:1:(?P<ref_key>[0-9a-f]{8}):(?P<alias>[a-z][a-z0-9_-]{0,31}):(?P<manifest>[^:]+):"
    r"(?P<kind>asset|task|xcom):(?P<scope_id>[0-9a-f]{32})/(?P<map_index>-1|0|[1-9][0-9]{0,9})/"
    r"(?P<key_id>[0-9a-f]{32}):(?:(?P<body>[A-Za-z0-9_-]+):)?"
)


@dataclass(frozen=True)
class Ref:
    """What a ref says."""

    ref_key_id: bytes
    alias: str
    manifest: str
    place: Place
    body: bytes | None


def _require(condition: object, reason: str, error: str = "MalformedRefError") -> None:
    require(condition, error, reason)


def _unpack_body(text: str) -> bytes:
    try:
        body = from_base64url(text)
    except ValueError:
        raise RefusedError("MalformedRefError", "body") from None
    _require(to_base64url(body) == text, "body")
    return body


def _check_manifest(text: str) -> None:
    try:
        parse_manifest(text)
    except RefusedError as refused:
        raise RefusedError(refused.error, "manifest") from refused


def parse_ref(text: str, keyring: Keyring) -> Ref:
    """Read a ref, checked in the order of the format."""
    _require(text.startswith("lamella:"), "prefix")
    _require(len(text) <= _MAX_CHARS, "length")
    _require(text.split(":")[1] == "1", "version", "UnsupportedRefVersionError")
    signed, tag = text[:-_TAG_CHARS], text[-_TAG_CHARS:]
    outline = re.fullmatch(r"lamella:1:([0-9a-f]{8}):.+:", signed, re.DOTALL)
    _require(text.isascii() and outline, "spelling")
    ref_key_id = bytes.fromhex(outline[1])
    key = expand(keyring.secret("ref", ref_key_id), "ref/mac", 32)
    _require(hmac.compare_digest(tag, to_base64url(mac(key, signed.encode()))), "tag", "RefTagError")
    fields = _FIELDS.fullmatch(signed)
    _require(fields, "fields")
    _check_manifest(fields["manifest"])
    body = None if fields["body"] is None else _unpack_body(fields["body"])
    place = Place(fields["kind"], fields["scope_id"], int(fields["map_index"]), fields["key_id"])
    return Ref(ref_key_id, fields["alias"], fields["manifest"], place, body)
