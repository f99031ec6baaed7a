"""Vectors of the cobblestone256 layer."""

from __future__ import annotations

from format_bytes import PLAIN_CHUNK, seal, secret_of
from layer_bytes import told

KEY, SALT, BINDING = secret_of("value key"), secret_of("salt")[:24], b"a binding of vectors"
HEADER, SEALED_CHUNK = 56, PLAIN_CHUNK + 16


def accept():
    sizes = {
        "empty": 0,
        "one_byte": 1,
        "one_less_than_a_chunk": PLAIN_CHUNK - 1,
        "one_chunk": PLAIN_CHUNK,
        "one_more_than_a_chunk": PLAIN_CHUNK + 1,
        "two_chunks": 2 * PLAIN_CHUNK,
    }
    for name, size in sizes.items():
        plain = (b"\xa5", size)
        yield name, shown(plain, BINDING)
    yield "empty_binding", shown((b"\xa5", 5), b"")
    yield "long_binding", shown((b"\xa5", 5), bytes(range(256)) * 2)


def shown(plain, bound):
    body, count = plain
    sealed = seal(KEY, SALT, bound, body * count)
    return {
        "value_key": KEY.hex(),
        "binding": bound.hex(),
        "salt": SALT.hex(),
        "plain": told(plain),
        "sealed": sealed.hex(),
    }


def flipped(raw, at):
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def reject():
    short, long = (seal(KEY, SALT, BINDING, b"\xa5" * size) for size in (5, 2 * PLAIN_CHUNK + 5))
    full = seal(KEY, SALT, BINDING, b"\xa5" * PLAIN_CHUNK)
    first, second = (long[HEADER + i * SEALED_CHUNK : HEADER + (i + 1) * SEALED_CHUNK] for i in (0, 1))
    swapped = long[:HEADER] + second + first + long[HEADER + 2 * SEALED_CHUNK :]
    cases = {
        ("cut", "empty"): b"",
        ("cut", "in_the_salt"): short[:23],
        ("cut", "behind_the_header"): short[:HEADER],
        ("cut", "in_the_tag"): short[:-1],
        ("cut", "at_the_end_of_a_full_chunk"): full[:-16],
        ("extended", "by_one_byte"): short + b"\x00",
        ("extended", "by_a_full_chunk"): short + bytes(SEALED_CHUNK),
        ("commitment", "first_bit"): flipped(short, 24),
        ("commitment", "last_bit"): flipped(short, HEADER - 1),
        ("tag", "in_the_body"): flipped(short, HEADER),
        ("tag", "in_the_tag"): flipped(short, len(short) - 1),
        ("tag", "in_the_empty_last_chunk"): flipped(full, len(full) - 1),
        ("order", "two_chunks_swapped"): swapped,
        ("order", "one_chunk_dropped"): long[:HEADER] + long[HEADER + SEALED_CHUNK :],
    }
    for (reason, name), sealed in cases.items():
        yield reason, name, refused(sealed)
    yield "key", "another", {**refused(short), "value_key": secret_of("another value key").hex()}
    yield "binding", "one_byte_more", {**refused(short), "binding": (BINDING + b"\x00").hex()}
    yield "binding", "empty", {**refused(short), "binding": ""}
    for reason, number in (("suite", 0), ("suite", 2), ("mode", 1), ("flags", 1), ("flags", 128)):
        yield reason, str(number), {**refused(short), reason: number}


def refused(sealed):
    return {
        "suite": 1,
        "mode": 0,
        "flags": 0,
        "value_key": KEY.hex(),
        "binding": BINDING.hex(),
        "sealed": sealed.hex(),
    }
