"""An independent reader of the format: from a ref, a keyring document and the stored bytes to the value.

It is written from `docs/format.md` and the specifications that it cites, and from nothing else, so that a defect of
that page, or of the code that writes, shows as a difference between the two.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from independent.address import Address, Place, head_locator, part_locator, place_of
from independent.keyring import Keyring, parse_keyring
from independent.layers import check_suite, decode_padme, decode_zstd, open_cobblestone256
from independent.manifest import SPLIT, Entry, admit, check_floor, seal_positions
from independent.notation import MAX_VALUE_BYTES, RefusedError, expand, require
from independent.ref import Ref, parse_ref
from independent.stored import (
    Envelope,
    Payload,
    binding,
    part_binding,
    unpack_address,
    unpack_envelope,
    unpack_head,
    unpack_payload,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    Stores = Mapping[str, Mapping[str, bytes] | None]

__all__ = ["Value", "read_by_address", "read_by_ref", "unwrap"]

_JSON = 0


@dataclass(frozen=True)
class Value:
    """What was read: the value in its codec, parsed if that is JSON, and the record of its address."""

    codec: int
    record: bytes
    value: object

    @property
    def address(self) -> Address:
        """Read the record of the address, which a reader of a sealed object need not do."""
        return unpack_address(self.record)


def _require(condition: object, reason: str, error: str = "IntegrityError") -> None:
    require(condition, error, reason)


def unwrap(keyring: Keyring, data_key_id: bytes, wrapped_key: bytes) -> bytes:
    """Unwrap a value key."""
    wrapping_key = expand(keyring.secret("data", data_key_id), "data/wrap", 32)
    try:
        return aes_key_unwrap(wrapping_key, wrapped_key)
    except InvalidUnwrap:
        raise RefusedError("IntegrityError", "wrapped-key") from None


@dataclass(frozen=True)
class _Opening:
    """One object on its way through the layers, in reverse."""

    keyring: Keyring
    place: Place
    objects: Mapping[str, bytes] | None
    envelope: Envelope
    entries: tuple[Entry, ...]

    def _open(self, position: int, sealed: bytes, part: bytes) -> bytes:
        fact = next(fact for fact in self.envelope.facts if fact.position == position)
        check_suite(fact.suite, fact.mode, fact.flags)
        value_key = unwrap(self.keyring, fact.key_id, fact.wrapped_key)
        bound = binding(fact, self.envelope.manifest, self.keyring.deployment, self.place, part)
        return open_cobblestone256(value_key, bound, sealed)

    def _decode(self, positions: range, payload: bytes, part: bytes) -> bytes:
        for position in reversed(positions):
            name = self.entries[position].name
            if name == "zstd":
                payload = decode_zstd(payload)
            elif name == "padme":
                payload = decode_padme(payload)
            elif name != SPLIT:
                payload = self._open(position, payload, part)
        return payload

    def _parts(self, after: range) -> bytes:
        _require(self.objects is not None, "shape")
        head = unpack_head(self._decode(after, self.envelope.payload, b"head"))
        plain = []
        for number in range(head.part_count):
            part = self.objects.get(part_locator(self.place, head.generation, number))
            _require(part is not None, "missing-part")
            bound = part_binding(head.generation, number, last=number == head.part_count - 1)
            plain.append(self._decode(after, part, bound))
        _require(sum(map(len, plain)) == head.size_bytes, "size")
        return b"".join(plain)

    def payload(self) -> bytes:
        """Decode the object to the payload that entered the first layer."""
        names = [entry.name for entry in self.entries]
        split = names.index(SPLIT) if SPLIT in names else None
        after = range(0 if split is None else split + 1, len(names))
        if self.envelope.shape == 1:
            _require(split is not None, "shape")
            payload = self._parts(after)
        else:
            payload = self._decode(after, self.envelope.payload, b"" if split is None else b"whole")
        return self._decode(range(split or 0), payload, b"")


def _parse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("The number is beyond the range of binary64.")
    return number


_MAX_DIGITS = 4300


def _parse_int(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_DIGITS:
        raise RefusedError("LimitExceededError", "digits")
    return int(text)


def _parse_json(text: bytes) -> object:
    try:
        return json.loads(text.decode(), parse_constant=_parse_constant, parse_float=_parse_float, parse_int=_parse_int)
    except ValueError:
        raise RefusedError("IntegrityError", "json") from None
    except RecursionError:
        raise RefusedError("LimitExceededError", "nesting") from None


def _value(opening: _Opening) -> Value:
    payload: Payload = unpack_payload(opening.payload())
    if not seal_positions(opening.entries):
        address = unpack_address(payload.record)
        _require(place_of(address, opening.keyring) == opening.place, "address")
    _require(len(payload.value) <= MAX_VALUE_BYTES, "limit", "LimitExceededError")
    value = _parse_json(payload.value) if payload.codec == _JSON else payload.value
    return Value(payload.codec, payload.record, value)


def _check_facts(envelope: Envelope, entries: tuple[Entry, ...]) -> None:
    _require([fact.position for fact in envelope.facts] == seal_positions(entries), "facts")


def _fetch(ref: Ref, stores: Stores) -> bytes:
    _require(ref.alias in stores, "store", "ManifestRefusedError")
    objects = stores[ref.alias]
    _require((objects is None) == (ref.body is not None), "store", "ManifestRefusedError")
    stored = ref.body if objects is None else objects.get(head_locator(ref.place))
    _require(stored is not None, "missing", "ObjectNotFoundError")
    return stored


def read_by_ref(text: str, document: str, stores: Stores, required: int, expect: Address | None = None) -> Value:
    """Read the value that a ref leads to; a store that is None is an inline one."""
    keyring = parse_keyring(document)
    ref = parse_ref(text, keyring)
    _require(expect is None or place_of(expect, keyring) == ref.place, "mismatch", "RefMismatchError")
    entries = promised = admit(ref.manifest, required)
    envelope = unpack_envelope(_fetch(ref, stores))
    if envelope.manifest != ref.manifest:
        entries = admit(envelope.manifest, required)
        check_floor(promised, entries)
    _check_facts(envelope, entries)
    return _value(_Opening(keyring, ref.place, stores[ref.alias], envelope, entries))


def read_by_address(address: Address, document: str, stores: Stores, required: int) -> Value:
    """Read the value of an address from the first store that has an object there."""
    keyring = parse_keyring(document)
    place = place_of(address, keyring)
    locator = head_locator(place)
    objects = next((objects for objects in stores.values() if objects and locator in objects), None)
    _require(objects, "missing", "ObjectNotFoundError")
    envelope = unpack_envelope(objects[locator])
    entries = admit(envelope.manifest, required)
    _check_facts(envelope, entries)
    return _value(_Opening(keyring, place, objects, envelope, entries))
