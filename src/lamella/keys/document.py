"""The keyring document: one line of ASCII, read and written without any I/O.

```
document = "lamella-keyring:1:" body ":" tag [LF]
body     = base64url, without padding, of msgpack [deployment, epoch, [key, ...]]
key      = msgpack [role, status, created_at, key_id, secret]
tag      = base64url, without padding, of HMAC-SHA256(sub-key "id/keyring", "lamella-keyring:1:" body)
```

| field        | msgpack | bytes or range                                                 |
|--------------|---------|----------------------------------------------------------------|
| `deployment` | str     | `[a-z0-9][a-z0-9._-]{0,63}`                                    |
| `epoch`      | uint    | 1 to 2^63-1, one more with every edit                          |
| keys         | array   | 1 to 512                                                       |
| `role`       | str     | `data`, `ref` or `id`                                          |
| `status`     | str     | `staged`, `primary`, `active`, `disabled` or `destroyed`       |
| `created_at` | uint    | 0 to 253402300799, seconds since 1970-01-01 UTC                |
| `key_id`     | bin     | 8 (`data`, `id`) or 4 (`ref`), derived from the secret         |
| `secret`     | bin     | 32, or 0 once the status is `destroyed`                        |

Exactly one key of each role is primary, and there is one id key. A document has at most 65,536 bytes. Only the
shortest msgpack spelling is accepted: packing what was unpacked gives the same bytes.

Source: docs/format.md, "Keyring".
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.constant_time import bytes_eq

from lamella.armour import armour, unarmour
from lamella.errors import KeyringError
from lamella.keys.derive import ID_KEYRING, keyed_mac
from lamella.keys.record import MAX_KEYS, KeyringRecord, KeyVersion

__all__ = ["MAX_DOCUMENT_BYTES", "pack", "unpack"]

MAX_DOCUMENT_BYTES = 64 * 1024
"""The largest keyring document, in bytes."""

_Key = tuple[str, str, int, bytes, bytes]
_BODY = msgspec.msgpack.Decoder(tuple[str, int, Annotated[list[_Key], msgspec.Meta(max_length=MAX_KEYS)]])
_VERSIONED = re.compile(r"lamella-keyring:([0-9]{1,3}):")
_DOCUMENT = re.compile(r"lamella-keyring:1:([A-Za-z0-9_-]+):[A-Za-z0-9_-]{43}")
_DAMAGED = "the keyring document is damaged ({}); restore it from a backup"


def pack(record: KeyringRecord) -> str:
    """Write the document of a record, with its line feed."""
    keys = [[key.role, key.status, key.created_at, key.key_id, key.secret] for key in record.keys]
    signed = f"lamella-keyring:1:{armour(msgspec.msgpack.encode([record.deployment, record.epoch, keys]))}"
    mac = keyed_mac(record.primary("id").secret, ID_KEYRING)
    mac.update(signed.encode())
    return f"{signed}:{armour(mac.finalize())}\n"


def unpack(document: str) -> KeyringRecord:
    """Read a document and verify all that can be verified without knowing which keyring to expect.

    Raises:
        KeyringError: It is not the canonical document of a keyring, or its tag does not verify.
    """
    line = document[: MAX_DOCUMENT_BYTES + 1].removesuffix("\n")
    if len(document) > MAX_DOCUMENT_BYTES:
        raise KeyringError(f"the keyring document has more than {MAX_DOCUMENT_BYTES} bytes; check what the spec names")
    versioned = _VERSIONED.match(line)
    if versioned is None:
        raise KeyringError("this is not a keyring document; name the one that `lamella keygen` wrote")
    if versioned[1] != "1":
        raise KeyringError(f"this release does not read keyring documents of version {versioned[1]}; upgrade Lamella")
    spelled = _DOCUMENT.fullmatch(line)
    if spelled is None:
        raise KeyringError(_DAMAGED.format("it is not spelled as body and tag in base64url"))
    record = _record(spelled[1])
    expected = pack(record).removesuffix("\n")
    if expected.rpartition(":")[0] != line.rpartition(":")[0]:
        raise KeyringError(_DAMAGED.format("its body is not in canonical form"))
    if not bytes_eq(expected.encode(), line.encode()):
        raise KeyringError(_DAMAGED.format("its tag does not verify"))
    return record


def _record(body: str) -> KeyringRecord:
    try:
        fields = _BODY.decode(unarmour(body))
    except (msgspec.MsgspecError, ValueError):
        fields = None
    # Raised out here, because the decoder's error would carry what it read as its context.
    if fields is None:
        raise KeyringError(_DAMAGED.format("its body does not hold the fields of a keyring"))
    deployment, epoch, keys = fields
    return KeyringRecord(deployment, epoch, tuple([KeyVersion(*key) for key in keys]))
