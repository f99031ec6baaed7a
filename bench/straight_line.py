"""The straight line: what a good engineer writes by hand where no library is at hand.

It seals under one key with one context: no key of the value's own, no padding, no ids, no ref, no key rotation. Every
ratio of the benchmarks is against it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import zstandard
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from data import MIB
from files import read_file, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["StraightLine", "get_stream", "put_stream"]

_KEY = bytes(range(32))
_CONTEXT = b"lamella benchmarks"
_BUFFER_BYTES = 2 * MIB


class StraightLine:
    """JSON, zstd level 3, Cobblestone-256, a file replaced by rename.

    For one thread: a zstd context that two share corrupts memory.
    """

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        """Make the two zstd contexts once, as the values are many."""
        folder.mkdir()
        self._folder = str(folder)
        self._fsync = fsync
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._decompressor = zstandard.ZstdDecompressor()

    def seal(self, _: str, value: object) -> bytes:
        """Do all of `put` but the file."""
        body = self._compressor.compress(json.dumps(value).encode())
        encryptor = Cobblestone256Encryptor(_KEY, _CONTEXT)
        return encryptor.update(body) + encryptor.finalize()

    def open(self, blob: bytes) -> object:
        """Do all of `get` but the file."""
        decryptor = Cobblestone256Decryptor(_KEY, _CONTEXT)
        body = decryptor.update(blob) + decryptor.finalize()
        return json.loads(self._decompressor.decompress(body))

    def put(self, name: str, value: object) -> str:
        """Store a value as the file `name`, and return that."""
        replace_file(f"{self._folder}/{name}", self.seal(name, value), fsync=self._fsync)
        return name

    def get(self, name: str) -> object:
        """Return the value of the file `name`."""
        return self.open(read_file(f"{self._folder}/{name}"))


def put_stream(pieces: Iterable[memoryview], target: Path) -> None:
    """Store a stream as a file, in pieces through one reused buffer."""
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    encryptor = Cobblestone256Encryptor(_KEY, _CONTEXT)
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    temporary = target.with_suffix(".tmp")
    with temporary.open("wb", buffering=0) as file:
        for piece in pieces:
            file.write(buffer[: encryptor.update_into(compressor.compress(piece), buffer)])
        file.write(buffer[: encryptor.update_into(compressor.flush(), buffer)])
        file.write(encryptor.finalize())
    temporary.replace(target)


def get_stream(source: Path, target: Path) -> None:
    """Write the stream of a file to another one, 1 MiB at a time, and name it `target` when all verified."""
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    decryptor = Cobblestone256Decryptor(_KEY, _CONTEXT)
    sealed, buffer = memoryview(bytearray(MIB)), memoryview(bytearray(_BUFFER_BYTES))
    temporary = target.with_suffix(".tmp")
    with source.open("rb", buffering=0) as file, temporary.open("wb", buffering=0) as out:
        while size := file.readinto(sealed):
            out.write(decompressor.decompress(buffer[: decryptor.update_into(sealed[:size], buffer)]))
        out.write(decompressor.decompress(decryptor.finalize()))
    temporary.replace(target)
