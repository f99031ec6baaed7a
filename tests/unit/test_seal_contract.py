"""The layer contract fails for seals that do not seal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lamella.errors import IntegrityError
from lamella.protocols.layer import BytesLayer, FactBlock
from lamella.testing import LayerContract


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing(BytesLayer):
    """Seals pieces of 4 KiB; what the classes below change makes it worthless."""

    name: ClassVar[str] = "sealing"
    strength: ClassVar[int] = 100

    def encode(self, source, context):
        first = b"".join(source)
        if context.facts is None:
            made = context.keys.new_value_key(first[:64])
            context.facts = FactBlock(context.position, 99, 0, 0, made.key_id, made.wrapped_key, made.hedge, 5)
        salt = os.urandom(16)
        pieces = [first[start : start + 4096] for start in range(0, len(first), 4096)] or [b""]
        yield salt
        for number, piece in enumerate(pieces):
            label = self._label(number, number == len(pieces) - 1)
            yield self._seal(self._aead(context, self._salt(salt)), label, piece)

    def decode(self, source, context):
        sealed = b"".join(source)
        salt, rest = sealed[:16], sealed[16:]
        boxes = [rest[start : start + 4112] for start in range(0, len(rest), 4112)] or [b""]
        for number, box in enumerate(boxes):
            try:
                label = self._label(number, number == len(boxes) - 1)
                yield self._open(self._aead(context, self._salt(salt)), label, box)
            except InvalidTag:
                raise IntegrityError from None

    def _aead(self, context, salt):
        key, binding = self._secrets(context)
        return AESGCM(HKDF(SHA256(), 32, salt, binding).derive(key))

    def _secrets(self, context):
        facts = context.facts
        return context.keys.unwrap(facts.key_id, facts.wrapped_key), context.bind(facts)

    def _salt(self, salt):
        return salt

    def _label(self, number, last):
        return number.to_bytes(11, "big") + bytes([last])

    def _seal(self, aead, label, piece):
        return aead.encrypt(label, piece, None)

    def _open(self, aead, label, box):
        return aead.decrypt(label, box, None)


class Bare(Sealing):
    """Authenticates, and hides nothing."""

    def _seal(self, aead, label, piece):
        return piece + aead.encrypt(label, b"", piece)

    def _open(self, aead, label, box):
        aead.decrypt(label, box[-16:], box[:-16])
        return box[:-16]


class Unsalted(Sealing):
    def _salt(self, salt):
        return bytes(len(salt))


class OneKeyForAll(Sealing):
    def _secrets(self, context):
        return bytes(32), context.bind(context.facts)


class Unbound(Sealing):
    def _secrets(self, context):
        return super()._secrets(context)[0], b""


class Unending(Sealing):
    """Does not say which piece is the last."""

    def _label(self, number, last):
        del last
        return super()._label(number, last=False)


class Unnumbered(Sealing):
    def _label(self, number, last):
        del number
        return super()._label(0, last)


PIECES = "test_pieces_that_are_cut_off_dropped_doubled_or_swapped_are_refused"
BROKEN_SEALS = [
    (Bare, "test_sealed_payload_holds_no_piece_of_what_it_seals", {}),
    (Unsalted, "test_equal_parts_of_one_value_are_sealed_unlike", {}),
    (OneKeyForAll, "test_seal_opens_under_its_own_key_alone", {}),
    (Unbound, "test_seal_opens_with_its_own_binding_alone", {"changed": {"sealed_at": 1}}),
    (Unending, PIECES, {"piece_bytes": 4096}),
    (Unnumbered, PIECES, {"piece_bytes": 4096}),
]


@pytest.mark.parametrize(
    ("layer", "claim", "arguments"), BROKEN_SEALS, ids=lambda each: getattr(each, "__name__", None)
)
def test_seal_that_breaks_a_claim_fails_it(layer, claim, arguments):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(LayerContract(), claim)(layer(), **arguments)
    getattr(LayerContract(), claim)(Sealing(), **arguments)
