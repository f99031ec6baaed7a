"""The pieces of docs/format.md, written from that page alone: ids, refs, headers, bindings and the seal.

Nothing is random: a salt, value key, hedge, time or generation is the SHA-256 of a label.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

import msgpack
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from keyring_documents import D1, I1, R1, armour, expand, secret_of

DEPLOYMENT = "vectors"
SEALED_AT = 1_700_000_000_123
SUITE_LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
PLAIN_CHUNK = 16_384

record = msgpack.packb


class Place(NamedTuple):
    kind: str
    scope_id: str
    map_index: int
    key_id: str

    @property
    def text(self):
        return f"{self.scope_id}/{self.map_index}/{self.key_id}"

    @property
    def head(self):
        return f"o1/{self.text}"

    def part(self, generation, number):
        return f"p1/{self.text}/{generation.hex()}/{number:08d}"


class Facts(NamedTuple):
    position: int
    suite: int
    mode: int
    flags: int
    key_id: bytes
    wrapped_key: bytes
    hedge: bytes
    sealed_at: int

    def pack(self):
        return bytes(self[:4]) + self.key_id + self.wrapped_key + self.hedge + self.sealed_at.to_bytes(8, "big")

    def shown(self):
        return {name: each.hex() if isinstance(each, bytes) else each for name, each in self._asdict().items()}


def address(kind="task", fields=None, map_index=-1, key="cursor"):
    task = [["dag_id", "etl"], ["run_id", "manual__2026-01-01T00:00:00+00:00"], ["task_id", "load"]]
    return {"kind": kind, "fields": fields or task, "map_index": map_index, "key": key}


def named(where):
    return [text for pair in where["fields"] for text in pair]


def place(where):
    def opaque(*fields):
        return hmac.digest(expand(I1[4], "id/mac", 32), record(fields), "sha256")[:16].hex()

    scope_id = opaque("scope", DEPLOYMENT, where["kind"], *named(where))
    key_id = opaque("key", scope_id, where["map_index"], where["key"])
    return Place(where["kind"], scope_id, where["map_index"], key_id)


def ref_signed(manifest, rest, alias="main", key_id=R1[3], version="1"):
    """Return a ref up to its tag; `rest` is a place, or a text that stands for kind, place and body."""
    if isinstance(rest, Place):
        rest = f"{rest.kind}:{rest.text}"
    return f"lamella:{version}:{key_id.hex()}:{alias}:{manifest}:{rest}:"


def tagged(signed, secret=R1[4]):
    return signed + armour(hmac.digest(expand(secret, "ref/mac", 32), signed.encode(), "sha256"))


def value_key(label):
    return secret_of(f"value key of {label}")


def facts(position, label, data_key=D1, **changes):
    wrapped = aes_key_wrap(expand(data_key[4], "data/wrap", 32), value_key(f"{label} {position}"))
    hedge = secret_of(f"hedge of {label} {position}")[:16]
    return Facts(position, 1, 0, 0, data_key[3], wrapped, hedge, SEALED_AT)._replace(**changes)


def envelope(shape, manifest, blocks):
    header = record([shape, manifest, b"".join(each.pack() for each in blocks)])
    return b"LMLA\x01" + len(header).to_bytes(2, "big") + header


def lead(codec, where):
    named_address = record([where["kind"], named(where), where["map_index"], where["key"]])
    return bytes([codec]) + len(named_address).to_bytes(2, "big") + named_address


def part_name(generation, number, *, last):
    return b"part" + generation + number.to_bytes(4, "big") + bytes([last])


def binding(manifest, where, part, block, deployment=DEPLOYMENT):
    seal = (block.suite, block.mode, block.flags, block.position)
    return record([1, manifest, *seal, deployment, *where, part, block.hedge, block.sealed_at])


def seal(key, salt, bound, plain):
    derived = HKDFExpand(SHA512(), 76, SUITE_LABEL + salt + bound).derive(key)
    aead, base = AESGCM(derived[:32]), int.from_bytes(derived[32:44], "big")
    chunks = [plain[start : start + PLAIN_CHUNK] for start in range(0, len(plain) + 1, PLAIN_CHUNK)]
    sealed = [aead.encrypt((base ^ i).to_bytes(12, "big"), chunk, None) for i, chunk in enumerate(chunks)]
    return salt + derived[44:] + b"".join(sealed)
