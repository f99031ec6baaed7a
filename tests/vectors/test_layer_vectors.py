"""The layers: the committed vectors against the code, whole and cut into segments."""

from __future__ import annotations

import os

import pytest

from lamella.errors import ConfigError, IntegrityError, LimitExceededError, ManifestRefusedError
from lamella.limits import DEFAULT_LIMITS, SEGMENT_BYTES
from lamella.protocols.layer import FactBlock, LayerContext
from lamella.testing import FixedKeys, layer_context
from lamella.wire.manifest import parse_manifest
from lamella_layers.chunk.fixed import Chunk
from lamella_layers.compress.zstd import Zstd
from lamella_layers.encrypt import cobblestone_fallback
from lamella_layers.encrypt.cobblestone256 import Cobblestone256
from lamella_layers.pad.padme import Padme

_ZSTD_ERRORS = dict.fromkeys(
    ("content-size", "cut", "dictionary", "frame", "magic", "run-length", "trailing", "window"), IntegrityError
) | {"ratio": LimitExceededError}
_PADME_REASONS = {"cut", "padding", "run-length", "size"}
_COBBLESTONE_REASONS = {
    "binding",
    "commitment",
    "cut",
    "extended",
    "flags",
    "key",
    "mode",
    "order",
    "suite",
    "tag",
}
_CHUNK_ERRORS = {"entry": ManifestRefusedError, "part-bytes": ConfigError}
_WAYS = ["whole", "streamed"]
_ODD_BYTES = 1021


def _decoded(layer, raw, context, way):
    if way == "whole":
        return layer.decode_whole(raw, context)
    step = max(_ODD_BYTES, len(raw) // 256)
    return b"".join(layer.decode(iter([raw[at : at + step] for at in range(0, len(raw), step)]), context))


def _seal_context(vector):
    numbers = [vector.get(name, default) for name, default in (("suite", 1), ("mode", 0), ("flags", 0))]
    facts = FactBlock(0, *numbers, bytes(8), bytes(40), bytes(16), 0)
    context = LayerContext(0, DEFAULT_LIMITS, FixedKeys(), lambda _: bytes.fromhex(vector["binding"]), facts)
    context.key = bytes.fromhex(vector["value_key"])
    return context


@pytest.mark.parametrize("way", _WAYS)
def test_accepted_zstd_payload_is_decoded(accept_zstd, untold, way):
    encoded, plain = untold(accept_zstd["encoded"]), untold(accept_zstd["plain"])
    assert _decoded(Zstd(), encoded, layer_context(Zstd()), way) == plain


@pytest.mark.parametrize("way", _WAYS)
def test_rejected_zstd_payload_is_refused_for_the_reason_given(reject_zstd, untold, way):
    encoded = untold(reject_zstd["encoded"])
    with pytest.raises(_ZSTD_ERRORS[reject_zstd["reason"]]):
        _decoded(Zstd(), encoded, layer_context(Zstd()), way)


@pytest.mark.parametrize("way", _WAYS)
def test_accepted_padme_payload_is_decoded(accept_padme, untold, way):
    encoded, plain = untold(accept_padme["encoded"]), untold(accept_padme["plain"])
    assert _decoded(Padme(), encoded, layer_context(Padme()), way) == plain


def test_padme_payload_of_one_run_is_what_the_layer_writes(accept_padme, untold):
    encoded, plain = untold(accept_padme["encoded"]), untold(accept_padme["plain"])
    is_one_run = len(plain) == int.from_bytes(encoded[:4], "big")
    assert (Padme().encode_whole(plain, layer_context(Padme())) == encoded) is is_one_run


@pytest.mark.parametrize("way", _WAYS)
def test_rejected_padme_payload_is_refused(reject_padme, untold, way):
    encoded = untold(reject_padme["encoded"])
    with pytest.raises(IntegrityError):
        _decoded(Padme(), encoded, layer_context(Padme()), way)


@pytest.mark.parametrize("way", _WAYS)
def test_accepted_cobblestone256_payload_is_opened(accept_cobblestone256, untold, way):
    context, plain = _seal_context(accept_cobblestone256), untold(accept_cobblestone256["plain"])
    assert _decoded(Cobblestone256(), bytes.fromhex(accept_cobblestone256["sealed"]), context, way) == plain


def test_cobblestone256_seals_to_the_vector_under_its_salt(accept_cobblestone256, untold, monkeypatch):
    salt = bytes.fromhex(accept_cobblestone256["salt"])
    monkeypatch.setattr(os, "urandom", lambda size: salt[:size])
    key, binding = (bytes.fromhex(accept_cobblestone256[name]) for name in ("value_key", "binding"))
    sealing = cobblestone_fallback.Cobblestone256Encryptor(key, binding)
    sealed = sealing.update(untold(accept_cobblestone256["plain"])) + sealing.finalize()
    assert sealed.hex() == accept_cobblestone256["sealed"]


@pytest.mark.parametrize("way", _WAYS)
def test_rejected_cobblestone256_payload_is_refused(reject_cobblestone256, way):
    context = _seal_context(reject_cobblestone256)
    with pytest.raises(IntegrityError):
        _decoded(Cobblestone256(), bytes.fromhex(reject_cobblestone256["sealed"]), context, way)


def test_payload_is_split_into_the_parts_of_the_vector(accept_chunk, untold):
    plain = untold(accept_chunk["plain"])
    source = iter([plain[at : at + SEGMENT_BYTES] for at in range(0, len(plain), SEGMENT_BYTES)])
    parts = [b"".join(part) for part in Chunk(part_bytes=accept_chunk["part_bytes"]).split(source)]
    assert parts == [untold(part) for part in accept_chunk["parts"]]


def test_rejected_chunk_settings_and_entries_are_refused(reject_chunk):
    def built():
        if "entry" in reject_chunk:
            return Chunk.from_entry(parse_manifest(reject_chunk["entry"])[0])
        return Chunk(part_bytes=reject_chunk["part_bytes"])

    with pytest.raises(_CHUNK_ERRORS[reject_chunk["reason"]]):
        built()


def test_every_reason_has_a_vector(reasons):
    assert reasons("zstd") == _ZSTD_ERRORS.keys()
    assert reasons("padme") == _PADME_REASONS
    assert reasons("cobblestone256") == _COBBLESTONE_REASONS
    assert reasons("chunk") == _CHUNK_ERRORS.keys()
