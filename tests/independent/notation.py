"""The notation of the format: one error, the limits, HMAC and HKDF, base64url and records."""

from __future__ import annotations

import base64
import hmac
import re

import msgpack
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

__all__ = [
    "MAX_INLINE_BYTES",
    "MAX_LAYERS",
    "MAX_PARTS",
    "MAX_RATIO",
    "MAX_REF_CHARS",
    "MAX_VALUE_BYTES",
    "RefusedError",
    "expand",
    "from_base64url",
    "mac",
    "pack_record",
    "require",
    "to_base64url",
    "unpack_record",
]

MAX_VALUE_BYTES = 1_073_741_824
MAX_RATIO = 32_768
MAX_LAYERS = 16
MAX_PARTS = 131_072
MAX_REF_CHARS = 1_024
MAX_INLINE_BYTES = 49_152


class RefusedError(Exception):
    """What is read is refused; `error` is the name that the format gives, `reason` the check that failed."""

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(f"{error}: {reason}")
        self.error = error
        self.reason = reason


def require(condition: object, error: str, reason: str) -> None:
    """Refuse what does not hold."""
    if not condition:
        raise RefusedError(error, reason)


def mac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA-256, 32 bytes."""
    return hmac.digest(key, message, "sha256")


def expand(secret: bytes, label: str, size_bytes: int) -> bytes:
    """Derive a sub-key of a secret."""
    return HKDFExpand(SHA256(), size_bytes, b"lamella/1/" + label.encode()).derive(secret)


def to_base64url(data: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Read base64url without padding; unused bits may be set, so that the caller decides when that is refused.

    Raises:
        ValueError: if a character is none of the alphabet, or one character is left over.
    """
    if re.fullmatch(r"[A-Za-z0-9_-]*", text) is None or len(text) % 4 == 1:
        raise ValueError("This is not base64url.")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pack_record(fields: list[object]) -> bytes:
    """Write a record; msgpack chooses the shortest form of each field."""
    return msgpack.packb(fields)


def unpack_record(data: bytes, types: tuple[type, ...]) -> list:
    """Read a record of the types given, in its canonical spelling."""
    try:
        fields = msgpack.unpackb(data)
    except ValueError:
        raise RefusedError("IntegrityError", "record") from None
    matches = isinstance(fields, list) and [type(field) for field in fields] == list(types)
    require(matches and pack_record(fields) == data, "IntegrityError", "record")
    return fields
