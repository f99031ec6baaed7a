"""Sub-keys and key ids: what one secret of 32 bytes is good for.

Every sub-key is HKDF-Expand (SHA-256, prk = the secret, info = `lamella/1/` and the label); no secret is used itself.

| label         | bytes | use                                                          |
|---------------|-------|--------------------------------------------------------------|
| `data/id`     | 8     | the id of a data key                                         |
| `data/wrap`   | 32    | AES key wrap of the keys of values                           |
| `data/export` | 32    | AES key wrap of exported keyrings                            |
| `data/hedge`  | 32    | HMAC-SHA256 of hedges                                        |
| `ref/id`      | 4     | the id of a ref key                                          |
| `ref/mac`     | 32    | HMAC-SHA256 of refs                                          |
| `id/id`       | 8     | the id of the id key, which is the keyring id                |
| `id/mac`      | 32    | HMAC-SHA256 that makes scope ids and key ids                 |
| `id/keyring`  | 32    | HMAC-SHA256 of the keyring document                          |

Source: RFC 5869, section 2.3; docs/format.md, "Keyring".
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

__all__ = [
    "DATA_EXPORT",
    "DATA_HEDGE",
    "DATA_WRAP",
    "ID_KEYRING",
    "ID_MAC",
    "REF_MAC",
    "SECRET_BYTES",
    "Label",
    "derive",
    "derive_key_id",
    "key_id_bytes",
    "keyed_mac",
]

SECRET_BYTES = 32
"""The size of every secret of a keyring, in bytes."""

_INFO_PREFIX = b"lamella/1/"


class Label(NamedTuple):
    """What a sub-key is for, and its size in bytes."""

    text: bytes
    size_bytes: int


DATA_WRAP = Label(b"data/wrap", 32)
DATA_EXPORT = Label(b"data/export", 32)
DATA_HEDGE = Label(b"data/hedge", 32)
REF_MAC = Label(b"ref/mac", 32)
ID_MAC = Label(b"id/mac", 32)
ID_KEYRING = Label(b"id/keyring", 32)

_KEY_ID_LABELS = {"data": Label(b"data/id", 8), "ref": Label(b"ref/id", 4), "id": Label(b"id/id", 8)}


def derive(secret: bytes, label: Label) -> bytes:
    """Expand a secret into the sub-key of one label."""
    return HKDFExpand(SHA256(), label.size_bytes, _INFO_PREFIX + label.text).derive(secret)


def derive_key_id(role: str, secret: bytes) -> bytes:
    """Return the id that a secret has in its role, so that no document can label it as another key."""
    return derive(secret, _KEY_ID_LABELS[role])


def key_id_bytes(role: str) -> int:
    """Return the size of the key ids of a role, in bytes."""
    return _KEY_ID_LABELS[role].size_bytes


def keyed_mac(secret: bytes, label: Label) -> HMAC:
    """Return an HMAC-SHA256 under a sub-key, to be copied for each message because that is twice as fast."""
    return HMAC(derive(secret, label), SHA256())
