"""What the layers decode, from "Layers"."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from independent.notation import MAX_RATIO, RefusedError, require

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_part_bytes", "check_suite", "decode_padme", "decode_zstd", "open_cobblestone256"]

_RAW = 1 << 31
_MIB = 1_048_576
_MAX_WINDOW_BYTES = 8_388_608
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PADDED_FLOOR_BYTES = 256
_LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
_SALT_BYTES = 24
_START_BYTES = 56
_CHUNK_BYTES = 16_400
_TAG_BYTES = 16


def _require(condition: object, reason: str) -> None:
    require(condition, "IntegrityError", reason)


def _runs(encoded: bytes, most_bytes: tuple[int, int]) -> Iterator[tuple[int, bytes]]:
    """Yield each word with its run, and at last the word 0 with all that is behind it.

    The two sizes are the most that a word with a clear and with a set highest bit may announce.
    """
    offset = 0
    while True:
        _require(len(encoded) >= offset + 4, "cut")
        word = int.from_bytes(encoded[offset : offset + 4], "big")
        offset += 4
        if word == 0:
            yield 0, encoded[offset:]
            return
        end = offset + word % _RAW
        _require(1 <= word % _RAW <= most_bytes[word // _RAW], "run-length")
        _require(len(encoded) >= end, "cut")
        yield word, encoded[offset:end]
        offset = end


def _window_bytes(descriptor: int) -> int:
    base = 1 << (10 + (descriptor >> 3))
    return base + base // 8 * (descriptor & 7)


def _frame_header(frame: bytes) -> tuple[int, int]:
    """Return the content size and the dictionary id of a frame (RFC 8878, section 3.1.1.1)."""
    _require(frame.startswith(_ZSTD_MAGIC), "magic")
    descriptor = frame[4] if len(frame) > len(_ZSTD_MAGIC) else 0
    single_segment = descriptor >> 5 & 1
    id_at = 6 - single_segment
    size_at = id_at + (0, 1, 2, 4)[descriptor & 3]
    end = size_at + (single_segment, 2, 4, 8)[descriptor >> 6]
    _require(size_at < end <= len(frame), "content-size")
    _require(single_segment or _window_bytes(frame[5]) <= _MAX_WINDOW_BYTES, "window")
    content_bytes = int.from_bytes(frame[size_at:end], "little") + (256 if end - size_at == 2 else 0)
    return content_bytes, int.from_bytes(frame[id_at:size_at], "little")


def _decompress(frame: bytes) -> bytes:
    content_bytes, dictionary_id = _frame_header(frame)
    _require(1 <= content_bytes <= _MIB, "content-size")
    require(content_bytes <= MAX_RATIO * len(frame), "LimitExceededError", "ratio")
    _require(dictionary_id == 0, "dictionary")
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).decompressobj()
    try:
        plain = decompressor.decompress(frame)
    except zstandard.ZstdError:
        raise RefusedError("IntegrityError", "frame") from None
    _require(decompressor.eof and not decompressor.unused_data and len(plain) == content_bytes, "frame")
    return plain


def decode_zstd(encoded: bytes) -> bytes:
    """Decompress the runs of a payload."""
    plain = []
    for word, run in _runs(encoded, (2 * _MIB, _MIB)):
        if word == 0:
            _require(not run, "trailing")
        else:
            plain.append(run if word & _RAW else _decompress(run))
    return b"".join(plain)


def _padded_bytes(size_bytes: int) -> int:
    exponent = size_bytes.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-size_bytes // step) * step


def decode_padme(encoded: bytes) -> bytes:
    """Take the padding off a payload."""
    plain = []
    for word, run in _runs(encoded, (_RAW - 1, 0)):
        if word:
            plain.append(run)
        else:
            _require(not any(run), "padding")
            expected = _padded_bytes(max(len(encoded) - len(run), _PADDED_FLOOR_BYTES))
            _require(len(encoded) == expected, "size")
    return b"".join(plain)


def check_suite(suite: int, mode: int, flags: int) -> None:
    """Refuse facts that are not of `cobblestone256` 1."""
    _require(suite == 1, "suite")
    _require(mode == 0, "mode")
    _require(flags == 0, "flags")


def open_cobblestone256(value_key: bytes, binding: bytes, sealed: bytes) -> bytes:
    """Open a sealed payload."""
    _require(len(sealed) >= _START_BYTES + _TAG_BYTES, "cut")
    info = _LABEL + sealed[:_SALT_BYTES] + binding
    derived = HKDFExpand(SHA512(), 76, info).derive(value_key)
    key, nonce, commitment = derived[:32], int.from_bytes(derived[32:44], "big"), derived[44:]
    _require(hmac.compare_digest(sealed[_SALT_BYTES:_START_BYTES], commitment), "commitment")
    aead = AESGCM(key)
    count = (len(sealed) - _START_BYTES) // _CHUNK_BYTES + 1
    plain = []
    for i in range(count):
        start = _START_BYTES + i * _CHUNK_BYTES
        chunk = sealed[start : start + _CHUNK_BYTES]
        _require(len(chunk) >= _TAG_BYTES, "cut")
        try:
            plain.append(aead.decrypt((nonce ^ i).to_bytes(12, "big"), chunk, None))
        except InvalidTag:
            raise RefusedError("IntegrityError", "tag") from None
    return b"".join(plain)


def check_part_bytes(part_bytes: int) -> None:
    """Refuse a part size that no writer has."""
    _require(65_536 <= part_bytes <= 1_073_741_824, "part-bytes")
