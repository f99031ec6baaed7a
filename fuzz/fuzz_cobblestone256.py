"""Fuzz the seal: both implementations agree on any bytes, and every change of a sealed payload is refused.

| field | meaning |
|---|---|
| byte | 0 the rest is a sealed payload; else it is plain, to be sealed and then changed in that many places |
| 3 bytes a place | the offset (2 bytes), and what is XORed into the byte there; 0 cuts the payload there |
| rest | the payload |
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from harness import LIMITS, REFUSED, Fields, decode_both_ways, ragged, same, start, vector

from lamella.protocols.layer import FactBlock, LayerContext
from lamella.testing import FixedKeys
from lamella_layers.encrypt.cobblestone256 import Cobblestone256
from lamella_layers.encrypt.cobblestone_fallback import Cobblestone256Decryptor

__all__ = ["one_input"]

_VECTOR = vector("cobblestone256", "empty")
_KEY = bytes.fromhex(_VECTOR["value_key"])
_BINDING = bytes.fromhex(_VECTOR["binding"])
_FACTS = FactBlock(0, 1, 0, 0, bytes(8), bytes(40), bytes(16), 0)
_LAYER = Cobblestone256()
_MAX_CHANGES = 8


def one_input(data: bytes) -> None:
    fields = Fields(data)
    changes = fields.byte() % _MAX_CHANGES
    if not changes:
        _agree(fields.rest())
        return
    places = [(fields.byte() << 8 | fields.byte(), fields.byte()) for _ in range(changes)]
    plain = fields.rest()
    sealed = _LAYER.encode_whole(plain, _context())
    damaged = _changed(sealed, places)
    same(_agree(damaged), plain if damaged == sealed else REFUSED, "a seal does not hold")


def _agree(sealed: bytes) -> object:
    """Open a payload by the layer and by the fallback, and return the plain bytes or `REFUSED`."""
    opened = decode_both_ways(_LAYER, sealed, _context)
    same(opened, _by_fallback(sealed), "the two implementations disagree")
    return opened


def _by_fallback(sealed: bytes) -> object:
    decryptor = Cobblestone256Decryptor(_KEY, _BINDING)
    try:
        return b"".join([*map(decryptor.update, ragged(sealed)), decryptor.finalize()])
    except InvalidTag:
        return REFUSED


def _changed(sealed: bytes, places: list[tuple[int, int]]) -> bytes:
    damaged = bytearray(sealed)
    for offset, mask in places:
        if offset < len(damaged) and mask:
            damaged[offset] ^= mask
        elif offset < len(damaged):
            del damaged[offset:]
    return bytes(damaged)


def _context() -> LayerContext:
    context = LayerContext(0, LIMITS, FixedKeys(), lambda _: _BINDING, _FACTS)
    context.key = _KEY
    return context


if __name__ == "__main__":
    import atheris

    start(atheris, one_input)
