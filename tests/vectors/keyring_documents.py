"""Build keyring documents, sound and broken, from docs/format.md, "Keyring", alone; imports nothing of lamella.

Secrets are the SHA-256 of a label.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgpack

CREATED_AT = 1_700_000_000


def secret_of(label):
    return hashlib.sha256(f"lamella keyring vector: {label}".encode()).digest()


def expand(secret, label, size):
    return hmac.digest(secret, b"lamella/1/" + label.encode() + b"\x01", "sha256")[:size]


def key(role, label, status="primary", created_at=CREATED_AT):
    secret = secret_of(label)
    key_id = expand(secret, f"{role}/id", 4 if role == "ref" else 8)
    return [role, status, created_at, key_id, b"" if status == "destroyed" else secret]


D1, R1, I1 = key("data", "D1"), key("ref", "R1"), key("id", "I1")
BASE = [D1, R1, I1]


def armour(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def with_tag(signed, label="I1"):
    mac = hmac.digest(expand(secret_of(label), "id/keyring", 32), signed.encode(), "sha256")
    return f"{signed}:{armour(mac)}"


def of_body(packed):
    return with_tag("lamella-keyring:1:" + armour(packed)) + "\n"


def document(deployment="vectors", epoch=1, keys=BASE):
    return of_body(msgpack.packb([deployment, epoch, keys]))


def replaced(fields, position, value):
    return [*fields[:position], value, *fields[position + 1 :]]
