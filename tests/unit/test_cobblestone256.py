"""Cobblestone-256: the published construction in both implementations, and the layer around it."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import random  # noqa: TID251 - seeded, so that a failure can be repeated
import sys
import time
import zlib
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.exceptions import AlreadyFinalized, InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256

from lamella.errors import IntegrityError, KeyVersionNotFoundError
from lamella.testing import FixedKeys, layer_context
from lamella_layers.encrypt import cobblestone256, cobblestone_fallback
from lamella_layers.encrypt.cobblestone256 import Cobblestone256

CHUNK = 16 * 1024
SEALED_CHUNK = CHUNK + 16
HEADER = 56
KEY = hashlib.sha256(b"a key of tests").digest()
CONTEXT = b"a binding"

IMPLEMENTATIONS = [cobblestone_fallback]
if importlib.util.find_spec("cryptography.cobblestone"):
    IMPLEMENTATIONS.append(importlib.import_module("cryptography.cobblestone"))

VECTORS = [
    vector
    for vector in json.loads(
        (Path(cryptography_vectors.__file__).parent / "chunked-encryption" / "vectors.json").read_text()
    )["vectors"]
    if vector["aead"] == "AEAD_AES_256_GCM"
]

every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS, ids=lambda each: each.__name__)


def sealed_bytes(vector):
    sealed = base64.b64decode(vector["ciphertext"] or "")
    return zlib.decompress(sealed) if vector.get("compressed") else sealed


def random_pieces(payload, dice):
    pieces, start = [], 0
    while start < len(payload):
        size = dice.choice([1, 15, 1000, CHUNK - 1, CHUNK, SEALED_CHUNK, 50_000])
        pieces.append(payload[start : start + size])
        start += size
    return pieces


def seal(implementation, pieces, key=KEY, context=CONTEXT):
    encryptor = implementation.Cobblestone256Encryptor(key, context)
    return b"".join([*map(encryptor.update, pieces), encryptor.finalize()])


def open_into(released, implementation, pieces, key=KEY, context=CONTEXT):
    decryptor = implementation.Cobblestone256Decryptor(key, context)
    released.extend(map(decryptor.update, pieces))
    released.append(decryptor.finalize())


def opened(implementation, pieces, key=KEY, context=CONTEXT):
    released = []
    open_into(released, implementation, pieces, key, context)
    return b"".join(released)


@pytest.fixture
def construction(monkeypatch):
    """Give the construction with SHA-256: the published vectors leave the hash open, and use that one.

    Cobblestone-256 is the same construction with SHA-512; the tests below tie that to the library's own class.
    """
    monkeypatch.setattr(cobblestone_fallback, "SHA512", SHA256)
    return cobblestone_fallback


@pytest.mark.parametrize("piece_bytes", [1000, SEALED_CHUNK])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_published_vector_opens_or_fails_as_it_says(construction, vector, piece_bytes):
    sealed = sealed_bytes(vector)
    key, context = bytes.fromhex(vector["key"]), vector["context"].encode()
    pieces = [sealed[start : start + piece_bytes] for start in range(0, len(sealed), piece_bytes)]
    released = []
    if vector["expect"] == "success":
        open_into(released, construction, pieces, key, context)
    else:
        with pytest.raises(ValueError if len(key) != 32 else InvalidTag):
            open_into(released, construction, pieces, key, context)
    plain = b"".join(released)
    assert len(plain) == vector.get("payload_length", 0)
    assert hashlib.sha256(plain).hexdigest() == vector.get("payload_sha256", hashlib.sha256(b"").hexdigest())


@pytest.mark.parametrize(
    "vector", [each for each in VECTORS if each["expect"] == "success"], ids=lambda each: each["name"]
)
def test_published_vector_is_sealed_again_byte_for_byte(construction, vector, monkeypatch):
    sealed = sealed_bytes(vector)
    key, context = bytes.fromhex(vector["key"]), vector["context"].encode()
    plain = opened(construction, [sealed], key, context)
    monkeypatch.setattr(os, "urandom", lambda _: sealed[:24])
    assert seal(construction, random_pieces(plain, random.Random(3)), key, context) == sealed


def test_there_are_vectors_of_both_outcomes():
    assert {vector["expect"] for vector in VECTORS} == {"success", "failure"}
    assert len(VECTORS) >= 34


@pytest.mark.parametrize("vector", [each for each in VECTORS if "aead_key" in each], ids=lambda vector: vector["name"])
def test_published_vector_derives_the_published_nonce(construction, vector):
    key, salt = bytes.fromhex(vector["key"]), sealed_bytes(vector)[:24]
    _, base_nonce, commitment = construction._derive(key, salt, vector["context"].encode())
    assert base_nonce.hex() == vector["base_nonce"]
    assert commitment == sealed_bytes(vector)[24:HEADER]


@pytest.mark.parametrize("reader", IMPLEMENTATIONS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("writer", IMPLEMENTATIONS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("size", [0, 1] + [k * CHUNK + more for k in (1, 2, 3, 7) for more in (-1, 0, 1)])
def test_one_implementation_opens_what_the_other_sealed(writer, reader, size):
    dice = random.Random(size)
    plain = dice.randbytes(size)
    sealed = seal(writer, random_pieces(plain, dice))
    assert len(sealed) == HEADER + size + 16 * (size // CHUNK + 1)
    assert opened(reader, random_pieces(sealed, dice)) == plain
    assert opened(reader, [sealed]) == plain


def damaged_forms():
    plain = random.Random(0).randbytes(3 * CHUNK + 100)
    sealed = seal(cobblestone_fallback, [plain])
    borders = [0, 24, HEADER, *range(HEADER + SEALED_CHUNK, len(sealed), SEALED_CHUNK), len(sealed) - 16, len(sealed)]
    for border in borders:
        for size in (border - 1, border, border + 1):
            if 0 <= size < len(sealed):
                yield f"cut to {size}", sealed[:size]
    chunks = [sealed[start : start + SEALED_CHUNK] for start in range(HEADER, len(sealed), SEALED_CHUNK)]
    header = sealed[:HEADER]
    other = seal(cobblestone_fallback, [plain])
    yield "one byte more", sealed + b"\0"
    yield "its last chunk twice", sealed + chunks[-1]
    yield "a whole message more", sealed + other
    yield "two chunks swapped", b"".join([header, chunks[1], chunks[0], *chunks[2:]])
    yield "a chunk twice", b"".join([header, chunks[0], *chunks])
    yield "a chunk left out", b"".join([header, chunks[0], *chunks[2:]])
    yield "a chunk of another message", b"".join([header, other[HEADER : HEADER + SEALED_CHUNK], *chunks[1:]])
    yield "the header of another message", other[:HEADER] + sealed[HEADER:]


@every_implementation
@pytest.mark.parametrize("damaged", [pytest.param(form, id=name) for name, form in damaged_forms()])
def test_cut_extended_reordered_and_spliced_messages_are_refused(implementation, damaged):
    for pieces in ([damaged], random_pieces(damaged, random.Random(1))):
        with pytest.raises(InvalidTag):
            opened(implementation, pieces)


@every_implementation
@pytest.mark.parametrize(("key", "context"), [(KEY[::-1], CONTEXT), (KEY, b"another binding")])
def test_another_key_or_binding_is_refused_at_the_header(implementation, key, context):
    sealed = seal(implementation, [b"plain"])
    decryptor = implementation.Cobblestone256Decryptor(key, context)
    with pytest.raises(InvalidTag):
        decryptor.update(sealed[:HEADER])


@every_implementation
def test_message_that_commits_to_another_key_is_refused_under_either(implementation):
    sealed = seal(implementation, [b"plain"])
    _, _, commitment = cobblestone_fallback._derive(KEY[::-1], sealed[:24], CONTEXT)
    assert opened(implementation, [sealed]) == b"plain"
    for key in (KEY, KEY[::-1]):
        with pytest.raises(InvalidTag):
            opened(implementation, [sealed[:24] + commitment + sealed[HEADER:]], key)


@every_implementation
@pytest.mark.parametrize("size", [0, 31, 33])
def test_key_of_another_size_is_refused(implementation, size):
    for kind in (implementation.Cobblestone256Encryptor, implementation.Cobblestone256Decryptor):
        with pytest.raises(ValueError):
            kind(bytes(size), CONTEXT)


@every_implementation
def test_nothing_follows_the_end_of_a_message(implementation):
    encryptor = implementation.Cobblestone256Encryptor(KEY, CONTEXT)
    decryptor = implementation.Cobblestone256Decryptor(KEY, CONTEXT)
    decryptor.update(encryptor.update(b"plain") + encryptor.finalize())
    decryptor.finalize()
    for ended in (encryptor, decryptor):
        with pytest.raises(AlreadyFinalized):
            ended.update(b"more")
        with pytest.raises(AlreadyFinalized):
            ended.finalize()


@every_implementation
def test_nothing_follows_a_chunk_that_does_not_verify(implementation):
    sealed = bytearray(seal(implementation, [bytes(3 * CHUNK)]))
    sealed[HEADER] ^= 1
    decryptor = implementation.Cobblestone256Decryptor(KEY, CONTEXT)
    with pytest.raises(InvalidTag):
        decryptor.update(bytes(sealed[: HEADER + SEALED_CHUNK]))
    with pytest.raises(AlreadyFinalized):
        decryptor.update(bytes(sealed[HEADER + SEALED_CHUNK :]))


def test_fallback_ends_a_message_before_its_counter_repeats():
    encryptor = cobblestone_fallback.Cobblestone256Encryptor(KEY, CONTEXT)
    encryptor._chunks._count = 2**38 - 1
    encryptor.update(bytes(CHUNK))
    with pytest.raises(ValueError, match="split the value"):
        encryptor.finalize()


class CountingKeys(FixedKeys):
    def __init__(self):
        super().__init__()
        self.hedged = []

    def new_value_key(self, first_segment):
        self.hedged.append(bytes(first_segment))
        return super().new_value_key(first_segment)


def sealed_by_layer(plain, keys=None):
    context = layer_context(Cobblestone256(), keys)
    return b"".join(Cobblestone256().encode(iter([plain]), context)), context.facts


def opened_by_layer(sealed, facts, keys=None):
    return b"".join(Cobblestone256().decode(iter([sealed]), layer_context(Cobblestone256(), keys, facts)))


def test_facts_say_how_and_when_the_value_was_sealed():
    keys = CountingKeys()
    context = layer_context(Cobblestone256(), keys)
    context.position = 3
    before = time.time_ns() // 1_000_000
    list(Cobblestone256().encode(iter([b"first", b"second"]), context))
    facts = context.facts
    assert (facts.position, facts.suite, facts.mode, facts.flags) == (3, 1, 0, 0)
    assert before <= facts.sealed_at <= time.time_ns() // 1_000_000
    assert (facts.key_id, len(facts.wrapped_key), len(facts.hedge)) == (keys.key_id, 40, 16)
    assert keys.hedged == [b"first"]
    assert keys.unwrap(facts.key_id, facts.wrapped_key) == context.key


def test_parts_of_one_value_share_one_key_and_differ_in_salt():
    keys = CountingKeys()
    context = layer_context(Cobblestone256(), keys)
    parts = [b"".join(Cobblestone256().encode(iter([b"same"]), context)) for _ in range(3)]
    assert len(keys.hedged) == 1
    assert len({part[:24] for part in parts}) == 3


@pytest.mark.parametrize("size", [0, 200, 60_000])
def test_small_payload_is_one_segment(size):
    assert len(list(Cobblestone256().encode(iter([bytes(size)]), layer_context(Cobblestone256())))) == 1


@pytest.mark.parametrize("change", [{"suite": 2}, {"mode": 1}, {"flags": 1}, {"sealed_at": 1}, {"hedge": bytes(16)}])
def test_changed_facts_are_refused(change):
    sealed, facts = sealed_by_layer(b"plain")
    assert opened_by_layer(sealed, facts) == b"plain"
    with pytest.raises(IntegrityError) as refused:
        opened_by_layer(sealed, facts._replace(**change))
    assert refused.value.layer == "cobblestone256"
    assert refused.value.__cause__ is None


def test_payload_without_facts_is_refused():
    sealed, _ = sealed_by_layer(b"plain")
    with pytest.raises(IntegrityError):
        opened_by_layer(sealed, None)


def test_unknown_data_key_is_named_and_no_payload_byte_is_read():
    sealed, facts = sealed_by_layer(b"plain")
    unread = iter([sealed])
    context = layer_context(Cobblestone256(), FixedKeys("another"), facts)
    with pytest.raises(KeyVersionNotFoundError) as refused:
        list(Cobblestone256().decode(unread, context))
    assert refused.value.key_id == facts.key_id.hex()
    assert list(unread) == [sealed]


def test_wrapped_key_of_another_value_is_refused():
    keys = FixedKeys()
    sealed, facts = sealed_by_layer(b"plain", keys)
    _, others = sealed_by_layer(b"plain", keys)
    with pytest.raises(IntegrityError):
        opened_by_layer(sealed, facts._replace(wrapped_key=others.wrapped_key), keys)


@pytest.mark.parametrize("damaged_chunk", [0, 1, 2, 3])
@pytest.mark.parametrize("piece_bytes", [1000, SEALED_CHUNK, 10**6])
def test_layer_yields_nothing_of_a_chunk_that_does_not_verify(damaged_chunk, piece_bytes):
    plain = random.Random(2).randbytes(3 * CHUNK + 100)
    sealed, facts = sealed_by_layer(plain)
    sealed = bytearray(sealed)
    sealed[HEADER + damaged_chunk * SEALED_CHUNK + 50] ^= 1
    pieces = [bytes(sealed[start : start + piece_bytes]) for start in range(0, len(sealed), piece_bytes)]
    decoding = Cobblestone256().decode(iter(pieces), layer_context(Cobblestone256(), facts=facts))
    released = []
    with pytest.raises(IntegrityError):
        released.extend(decoding)
    assert len(b"".join(released)) <= damaged_chunk * CHUNK
    assert plain.startswith(b"".join(released))


def test_layer_takes_the_fallback_where_the_library_lacks_the_class(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.cobblestone", None)
    spec = importlib.util.spec_from_file_location("cobblestone256_on_an_old_library", cobblestone256.__file__)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    assert module.Cobblestone256Encryptor is cobblestone_fallback.Cobblestone256Encryptor
    context = layer_context(module.Cobblestone256())
    plain = os.urandom(100_000)
    sealed = b"".join(module.Cobblestone256().encode(iter([plain]), context))
    assert opened_by_layer(sealed, context.facts) == plain
