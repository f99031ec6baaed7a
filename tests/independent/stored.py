"""Stored objects: envelope, fact blocks, binding, head record and lead, from the sections of these names."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from independent.address import Address, Place, check_address
from independent.notation import MAX_PARTS, RefusedError, pack_record, require, unpack_record

__all__ = [
    "Envelope",
    "Fact",
    "Head",
    "Payload",
    "binding",
    "part_binding",
    "unpack_address",
    "unpack_envelope",
    "unpack_head",
    "unpack_payload",
]

_MAGIC = b"LMLA"
_VERSION = 1
_START = struct.Struct(">4sBH")
_FACT = struct.Struct(">BBBB8s40s16sQ")
_MAX_HEADER_BYTES = 4_096
_MAX_MANIFEST_CHARS = 512
_MAX_HEAD_BYTES = 65_536
_GENERATION_BYTES = 16
_CODECS = (0, 1)
_LEAD = struct.Struct(">BH")


@dataclass(frozen=True)
class Fact:
    """The fact block of one seal."""

    position: int
    suite: int
    mode: int
    flags: int
    key_id: bytes
    wrapped_key: bytes
    hedge: bytes
    sealed_at: int


@dataclass(frozen=True)
class Envelope:
    """A stored object; its payload is the encoded head record in shape 1."""

    shape: int
    manifest: str
    facts: tuple[Fact, ...]
    payload: bytes


@dataclass(frozen=True)
class Head:
    """The head record of a split value."""

    generation: bytes
    part_count: int
    size_bytes: int


@dataclass(frozen=True)
class Payload:
    """What leaves the first layer on a read; the record is that of the address."""

    codec: int
    record: bytes
    value: bytes


def _require(condition: object, reason: str) -> None:
    require(condition, "IntegrityError", reason)


def unpack_envelope(data: bytes) -> Envelope:
    """Read a stored object up to its payload."""
    _require(_MAGIC.startswith(data[:4]), "magic")
    _require(data[4:5] in {b"", bytes([_VERSION])}, "version")
    _require(len(data) >= _START.size, "cut")
    _, _, header_bytes = _START.unpack_from(data)
    _require(header_bytes <= _MAX_HEADER_BYTES, "header-length")
    end = _START.size + header_bytes
    _require(len(data) >= end, "cut")
    shape, manifest, blocks = unpack_record(data[_START.size : end], (int, str, bytes))
    _require(shape in {0, 1}, "shape")
    _require(len(manifest) <= _MAX_MANIFEST_CHARS, "manifest-length")
    _require(len(blocks) % _FACT.size == 0, "fact-size")
    facts = tuple(Fact(*fields) for fields in _FACT.iter_unpack(blocks))
    positions = [fact.position for fact in facts]
    _require(positions == sorted(set(positions)), "fact-order")
    return Envelope(shape, manifest, facts, data[end:])


def part_binding(generation: bytes, number: int, *, last: bool) -> bytes:
    """Return what the binding says of a part."""
    return b"part" + generation + struct.pack(">IB", number, last)


def binding(fact: Fact, manifest: str, deployment: str, place: Place, part: bytes) -> bytes:
    """Return the bytes that a seal authenticates beside its payload."""
    facts = [fact.suite, fact.mode, fact.flags, fact.position]
    address = [place.kind, place.scope_id, place.map_index, place.key_id]
    return pack_record([_VERSION, manifest, *facts, deployment, *address, part, fact.hedge, fact.sealed_at])


def unpack_head(record: bytes) -> Head:
    """Read a decoded head record."""
    _require(len(record) <= _MAX_HEAD_BYTES, "record")
    head = Head(*unpack_record(record, (bytes, int, int)))
    _require(len(head.generation) == _GENERATION_BYTES, "generation")
    _require(head.size_bytes >= 0, "part-count")
    _require(1 <= head.part_count <= max(1, head.size_bytes), "part-count")
    require(head.part_count <= MAX_PARTS, "LimitExceededError", "limit")
    return head


def unpack_payload(payload: bytes) -> Payload:
    """Divide a payload into its lead and the value."""
    _require(len(payload) >= _LEAD.size, "cut")
    codec, record_bytes = _LEAD.unpack_from(payload)
    _require(codec in _CODECS, "codec")
    end = _LEAD.size + record_bytes
    _require(len(payload) >= end, "cut")
    return Payload(codec, payload[_LEAD.size : end], payload[end:])


def unpack_address(record: bytes) -> Address:
    """Read the address of a lead."""
    kind, names, map_index, key = unpack_record(record, (str, list, int, str))
    if not all(type(text) is str for text in names):
        raise RefusedError("IntegrityError", "record")
    _require(len(names) % 2 == 0, "fields")
    address = Address(kind, tuple(zip(names[::2], names[1::2], strict=True)), map_index, key)
    check_address(address, "IntegrityError")
    return address
