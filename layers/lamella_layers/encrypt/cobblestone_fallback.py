"""Cobblestone-256 over `AESGCM` and `HKDFExpand`, for releases of cryptography without `cryptography.cobblestone`.

The two classes are used as those of that module are: `update` any number of times, then `finalize`.

Source: C2SP chunked-encryption@v1 with AEAD_AES_256_GCM; RFC 5869, section 2.3 (HKDF-Expand).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.exceptions import AlreadyFinalized, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamella.protocols.layer import Segment

__all__ = ["Cobblestone256Decryptor", "Cobblestone256Encryptor"]

_LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
_SALT_BYTES, _KEY_BYTES, _NONCE_BYTES, _COMMITMENT_BYTES = 24, 32, 12, 32
_HEADER_BYTES = _SALT_BYTES + _COMMITMENT_BYTES
_CHUNK_BYTES, _TAG_BYTES = 16 * 1024, 16
_MAX_CHUNKS = 2**38


class _Chunks:
    """Cuts a message into full chunks and a short last one, and seals or opens each under its own nonce."""

    __slots__ = ("_base_nonce", "_chunk_bytes", "_count", "_pending", "_work")

    def __init__(self, work: Callable[[bytes, Segment, None], bytes], base_nonce: bytes, chunk_bytes: int) -> None:
        self._work: Callable[[bytes, Segment, None], bytes] | None = work
        self._base_nonce = int.from_bytes(base_nonce, "big")
        self._chunk_bytes = chunk_bytes
        self._pending = bytearray()
        self._count = 0

    def update(self, data: Segment) -> bytes:
        work = self._take_work()
        output = b"".join([work(self._next_nonce(), chunk, None) for chunk in self._full(memoryview(data))])
        self._work = work
        return output

    def finalize(self) -> bytes:
        return self._take_work()(self._next_nonce(), bytes(self._pending), None)

    def _take_work(self) -> Callable[[bytes, Segment, None], bytes]:
        """Take the operation out, so that nothing follows an end or a chunk that did not verify."""
        work, self._work = self._work, None
        if work is None:
            raise AlreadyFinalized("the message has ended; make a new object for the next one")
        return work

    def _full(self, data: memoryview) -> Iterator[Segment]:
        if self._pending:
            missing = self._chunk_bytes - len(self._pending)
            self._pending += data[:missing]
            data = data[missing:]
            if len(self._pending) < self._chunk_bytes:
                return
            yield bytes(self._pending)
            self._pending.clear()
        end = len(data) - len(data) % self._chunk_bytes
        for start in range(0, end, self._chunk_bytes):
            yield data[start : start + self._chunk_bytes]
        self._pending += data[end:]

    def _next_nonce(self) -> bytes:
        if self._count >= _MAX_CHUNKS:
            raise ValueError("a message ends after 2**38 chunks; split the value")
        nonce = self._base_nonce ^ self._count
        self._count += 1
        return nonce.to_bytes(_NONCE_BYTES, "big")


class Cobblestone256Encryptor:
    """Seals one message under `key`, 32 bytes, a random salt and `context`."""

    __slots__ = ("_chunks", "_header")

    def __init__(self, key: bytes, context: bytes) -> None:
        """Derive the key of the message."""
        _check(key)
        salt = os.urandom(_SALT_BYTES)
        aead, base_nonce, commitment = _derive(key, salt, context)
        self._chunks = _Chunks(aead.encrypt, base_nonce, _CHUNK_BYTES)
        self._header = salt + commitment

    def update(self, data: Segment) -> bytes:
        """Return what `data` completes: the header the first time, and full chunks."""
        header, self._header = self._header, b""
        return header + self._chunks.update(data)

    def finalize(self) -> bytes:
        """Return the last chunk, whose being short marks the end."""
        header, self._header = self._header, b""
        return header + self._chunks.finalize()


class Cobblestone256Decryptor:
    """Opens one message under `key`, 32 bytes, and `context`; gives out only chunks that verified."""

    __slots__ = ("_chunks", "_context", "_header", "_key")

    def __init__(self, key: bytes, context: bytes) -> None:
        """Wait for the header."""
        _check(key)
        self._key = key
        self._context = context
        self._header = bytearray()
        self._chunks: _Chunks | None = None

    def update(self, data: Segment) -> bytes:
        """Return the full chunks that `data` completes.

        Raises:
            InvalidTag: The commitment or a chunk does not verify.
        """
        if self._chunks is None:
            missing = _HEADER_BYTES - len(self._header)
            self._header += data[:missing]
            if len(self._header) < _HEADER_BYTES:
                return b""
            data = data[missing:]
            salt, expected = bytes(self._header[:_SALT_BYTES]), bytes(self._header[_SALT_BYTES:])
            aead, base_nonce, commitment = _derive(self._key, salt, self._context)
            if not bytes_eq(commitment, expected):
                raise InvalidTag
            self._chunks = _Chunks(aead.decrypt, base_nonce, _CHUNK_BYTES + _TAG_BYTES)
        return self._chunks.update(data)

    def finalize(self) -> bytes:
        """Return the last chunk.

        Raises:
            InvalidTag: It does not verify, or the message ends before it.
        """
        if self._chunks is None:
            raise InvalidTag
        return self._chunks.finalize()


def _check(key: bytes) -> None:
    if len(key) != _KEY_BYTES:
        raise ValueError(f"the key must be {_KEY_BYTES} bytes")


def _derive(key: bytes, salt: bytes, context: bytes) -> tuple[AESGCM, bytes, bytes]:
    """Return the AEAD, the base nonce and the commitment of the message with that salt."""
    length = _KEY_BYTES + _NONCE_BYTES + _COMMITMENT_BYTES
    derived = HKDFExpand(algorithm=SHA512(), length=length, info=_LABEL + salt + context).derive(key)
    return AESGCM(derived[:_KEY_BYTES]), derived[_KEY_BYTES:-_COMMITMENT_BYTES], derived[-_COMMITMENT_BYTES:]
