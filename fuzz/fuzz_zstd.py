"""Fuzz the zstd layer: a payload is refused by name, as a whole and as a stream, or goes the way back and forth."""

from __future__ import annotations

from functools import partial

from harness import LIMITS, REFUSED, decode_both_ways, same, start

from lamella.testing import layer_context
from lamella_layers.compress.zstd import Zstd

__all__ = ["one_input"]

_LAYER = Zstd()
_CONTEXT = partial(layer_context, _LAYER, limits=LIMITS)


def one_input(data: bytes) -> None:
    plain = decode_both_ways(_LAYER, data, _CONTEXT)
    if plain is not REFUSED:
        again = decode_both_ways(_LAYER, _LAYER.encode_whole(plain, _CONTEXT()), _CONTEXT)
        same(again, plain, "what was decoded is not decoded again")


if __name__ == "__main__":
    import atheris

    start(atheris, one_input)
