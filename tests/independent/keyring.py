"""The keyring document, from "Keyring"."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

import msgpack

from independent.notation import RefusedError, expand, from_base64url, mac, require, to_base64url

__all__ = ["Key", "Keyring", "parse_keyring"]

_ID_BYTES = {"data": 8, "ref": 4, "id": 8}
_READS = ("staged", "primary", "active")
_STATUSES = (*_READS, "disabled", "destroyed")
_MAX_CHARS = 65_536
_MAX_CREATED_AT = 253_402_300_799
_SECRET_BYTES = 32


@dataclass(frozen=True)
class Key:
    """One key of the document."""

    role: str
    status: str
    created_at: int
    key_id: bytes
    secret: bytes


@dataclass(frozen=True)
class Keyring:
    """All keys of one deployment."""

    deployment: str
    epoch: int
    keys: tuple[Key, ...]

    def secret(self, role: str, key_id: bytes) -> bytes:
        """Return the secret of a key that may be used to read."""
        for key in self.keys:
            if (key.role, key.key_id) == (role, key_id) and key.status in _READS:
                return key.secret
        raise RefusedError("KeyVersionNotFoundError", "key")

    @property
    def id_key(self) -> Key:
        """Return the one id key."""
        return next(key for key in self.keys if key.role == "id")


def _require(condition: object, reason: str) -> None:
    require(condition, "KeyringError", reason)


def _extension(code: int, data: bytes) -> None:
    raise ValueError(f"An extension of type {code} and {len(data)} bytes.")  # Those of no bytes; others are too long.


def _unpack(body: str) -> object:
    limits = {"max_array_len": 512, "max_str_len": 64, "max_bin_len": 32, "max_map_len": 0, "max_ext_len": 0}
    try:
        return msgpack.unpackb(from_base64url(body), ext_hook=_extension, **limits)
    except ValueError:
        raise RefusedError("KeyringError", "msgpack") from None


def _fields(value: object, types: tuple[type, ...], reason: str) -> list:
    _require(isinstance(value, list) and [type(field) for field in value] == list(types), reason)
    return value


def _check_key(key: Key) -> None:
    _require(key.role in _ID_BYTES, "role")
    _require(key.status in _STATUSES, "status")
    _require(0 <= key.created_at <= _MAX_CREATED_AT, "created-at")
    _require(len(key.key_id) == _ID_BYTES[key.role], "key-id-size")
    if key.status == "destroyed":
        _require(not key.secret, "destroyed-secret")
    else:
        _require(len(key.secret) == _SECRET_BYTES, "secret-size")
        _require(key.key_id == expand(key.secret, f"{key.role}/id", _ID_BYTES[key.role]), "key-id")


def _check_keyring(keyring: Keyring) -> None:
    _require(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", keyring.deployment), "deployment")
    _require(1 <= keyring.epoch < 2**63, "epoch")
    _require(len({(key.role, key.key_id) for key in keyring.keys}) == len(keyring.keys), "duplicate")
    primaries = sorted(key.role for key in keyring.keys if key.status == "primary")
    _require(primaries == ["data", "id", "ref"], "primary")
    _require(sum(key.role == "id" for key in keyring.keys) == 1, "id-key")


def parse_keyring(document: str) -> Keyring:
    """Read a keyring document, checked in the order of the format."""
    _require(len(document) <= _MAX_CHARS, "length")
    document = document.removesuffix("\n")
    prefix = re.match(r"lamella-keyring:([0-9]{1,3}):", document)
    _require(prefix, "prefix")
    _require(prefix[1] == "1", "version")
    spelling = re.fullmatch(r"([A-Za-z0-9_-]+):([A-Za-z0-9_-]{43})", document[prefix.end() :])
    _require(spelling, "spelling")
    body, tag = spelling.groups()
    fields = _unpack(body)
    deployment, epoch, records = _fields(fields, (str, int, list), "shape")
    keys = tuple(Key(*_fields(record, (str, str, int, bytes, bytes), "key-fields")) for record in records)
    for key in keys:
        _check_key(key)
    keyring = Keyring(deployment, epoch, keys)
    _check_keyring(keyring)
    _require(body == to_base64url(msgpack.packb(fields)), "canonical")
    expected = mac(expand(keyring.id_key.secret, "id/keyring", 32), document[: -len(":" + tag)].encode())
    _require(hmac.compare_digest(tag, to_base64url(expected)), "tag")
    return keyring
