"""Armour: bytes as text, in base64url without padding.

Source: docs/format.md, "Notation"; RFC 4648, section 5.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from binascii import b2a_base64
from typing import Final

__all__ = ["armour", "unarmour"]

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def armour(raw: bytes) -> str:
    """Return the one spelling of these bytes."""
    return b2a_base64(raw, newline=False).rstrip(b"=").translate(_URL_SAFE).decode("ascii")


def unarmour(text: str) -> bytes:
    """Return the bytes behind a text; whoever takes the one spelling alone compares it with `armour`.

    Raises:
        ValueError: The text is not ASCII, or no bytes have a spelling of that length.
    """
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
