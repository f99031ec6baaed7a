"""What many use instead, in one process: each puts a value under a name and gets it back.

All but py-key-value leave the files to their caller, so they keep their bytes in the same files as the straight line.
Each is set up as its own documentation has it, at its fastest setting that authenticates what it stores.
"""

from __future__ import annotations

import json
import os
import zlib
from typing import TYPE_CHECKING

import pyrage
import tink
import zstandard
from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.identifiers import Algorithm, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from files import read_file, replace_file
from key_value.aio.stores.disk import DiskStore
from key_value.aio.wrappers.compression import CompressionWrapper
from key_value.aio.wrappers.encryption import FernetEncryptionWrapper
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec
from tink import aead

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path
    from typing import Any, Protocol, TypeVar

    T = TypeVar("T")

    class Peer(Protocol):
        """Keeps values by name."""

        def put(self, name: str, value: object) -> str: ...
        def get(self, name: str) -> object: ...


__all__ = ["PEERS", "UNDER_ONE_KEY", "fernet_zlib"]

_LEVEL = 6
_NONCE_BYTES = 12


class _SealedFiles:
    """A file a value, replaced by rename, sealed and opened by two functions."""

    def __init__(self, folder: Path, seal: Callable[[object], bytes], unseal: Callable[[bytes], object]) -> None:
        folder.mkdir()
        self._folder = str(folder)
        self._seal = seal
        self._unseal = unseal

    def put(self, name: str, value: object) -> str:
        replace_file(f"{self._folder}/{name}", self._seal(value), fsync=False)
        return name

    def get(self, name: str) -> object:
        return self._unseal(read_file(f"{self._folder}/{name}"))


def fernet_zlib(folder: Path) -> Peer:
    """Make JSON, zlib level 6, Fernet (AES-128-CBC and HMAC-SHA-256 in base64)."""
    fernet = Fernet(Fernet.generate_key())
    return _SealedFiles(
        folder,
        lambda value: fernet.encrypt(zlib.compress(json.dumps(value).encode(), _LEVEL)),
        lambda blob: json.loads(zlib.decompress(fernet.decrypt(blob))),
    )


def _over_zstd(folder: Path, seal: Callable[[bytes], bytes], unseal: Callable[[bytes], bytes]) -> Peer:
    """Put JSON and zstd level 3, with contexts made once, before something that only encrypts."""
    compress = zstandard.ZstdCompressor(level=3).compress
    decompress = zstandard.ZstdDecompressor().decompress
    return _SealedFiles(
        folder,
        lambda value: seal(compress(json.dumps(value).encode())),
        lambda blob: json.loads(decompress(unseal(blob))),
    )


def _aesgcm(folder: Path) -> Peer:
    key = AESGCM(AESGCM.generate_key(256))

    def seal(body: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + key.encrypt(nonce, body, None)

    return _over_zstd(folder, seal, lambda blob: key.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], None))


def _tink(folder: Path) -> Peer:
    aead.register()
    primitive = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM).primitive(aead.Aead)
    return _over_zstd(folder, lambda body: primitive.encrypt(body, b""), lambda blob: primitive.decrypt(blob, b""))


def _age(folder: Path) -> Peer:
    identity = pyrage.x25519.Identity.generate()
    recipients = [identity.to_public()]
    return _over_zstd(
        folder, lambda body: pyrage.encrypt(body, recipients), lambda blob: pyrage.decrypt(blob, [identity])
    )


class _OneWrappingKey(RawMasterKeyProvider):
    provider_id = "bench"

    def _get_raw_key(self, key_id: bytes) -> WrappingKey:
        del key_id
        return WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            wrapping_key=bytes(range(32)),
            wrapping_key_type=EncryptionKeyType.SYMMETRIC,
        )


def _aws(folder: Path) -> Peer:
    client = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
    provider = _OneWrappingKey()
    provider.add_master_key(b"key-1")
    # Its default signs with ECDSA P-384 as well, which takes it milliseconds.
    suite = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
    return _over_zstd(
        folder,
        lambda body: client.encrypt(source=body, key_provider=provider, algorithm=suite)[0],
        lambda blob: client.decrypt(source=blob, key_provider=provider)[0],
    )


class _Codec(PayloadCodec):
    """zlib level 6 and AES-256-GCM over whole payloads, as Temporal's samples for compression and encryption."""

    def __init__(self) -> None:
        self._key = AESGCM(AESGCM.generate_key(256))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._encode(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._decode(payload) for payload in payloads]

    def _encode(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        body = zlib.compress(payload.SerializeToString(), _LEVEL)
        return Payload(
            metadata={"encoding": b"binary/encrypted", "encryption-key-id": b"key-1"},
            data=nonce + self._key.encrypt(nonce, body, None),
        )

    def _decode(self, payload: Payload) -> Payload:
        body = self._key.decrypt(payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:], None)
        return Payload.FromString(zlib.decompress(body))


def _temporal(folder: Path) -> Peer:
    converter = DataConverter(payload_codec=_Codec())
    return _SealedFiles(
        folder,
        lambda value: _finish(converter.encode([value]))[0].SerializeToString(),
        lambda blob: _finish(converter.decode([Payload.FromString(blob)]))[0],
    )


class _KeyValue:
    """py-key-value's compression around its encryption around its store on disk, which takes nothing but objects."""

    def __init__(self, folder: Path) -> None:
        encrypted = FernetEncryptionWrapper(DiskStore(directory=folder), fernet=Fernet(Fernet.generate_key()))
        self._store = CompressionWrapper(encrypted)

    def put(self, name: str, value: object) -> str:
        _finish(self._store.put(name, {"value": value}))
        return name

    def get(self, name: str) -> object:
        return _finish(self._store.get(name))["value"]


def _finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what never waits, without the ten microseconds that an event loop takes for a call."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise SystemExit("a peer waits for its event loop now; measure it on one")


UNDER_ONE_KEY: dict[str, Callable[[Path], Peer]] = {"AESGCM by hand + zstd": _aesgcm, "Tink + zstd": _tink}
"""One sealing under one key: no key of the value's own, no ids, no ref."""

PEERS: dict[str, Callable[[Path], Peer]] = {
    **UNDER_ONE_KEY,
    "age (pyrage) + zstd": _age,
    "AWS Encryption SDK + zstd": _aws,
    "Temporal data converter": _temporal,
    "py-key-value on disk": _KeyValue,
}
"""Each takes a folder of its own that does not exist yet."""
