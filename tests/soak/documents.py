"""Random JSON documents: what comes back is what `json.loads(json.dumps(value))` gives."""

from __future__ import annotations

import json
import random  # noqa: TID251 - seeded, so that a document can be made again

from stacks import ADDRESS, RECOMMENDED, build

from lamella.errors import InvalidValueError
from lamella.keys.keyring import Keyring
from lamella.limits import DEFAULT_LIMITS
from lamella.wire.codec import dump_json, load_json
from lamella_layers.store.memory import MemoryStore

__all__ = ["compare", "document"]

_ONE_IN = 8
_MAX_DEPTH = 5
_NUMBERS = (0, -1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**300, -0.0, 5e-324, 1e308, 0.1, 1e22)
_LETTERS = 'ab"\\/\n\0\x7f\x80\u2028\ud800\udfff\ufeffé中😀'
_ODD = (float("nan"), float("inf"), b"bytes", {1}, 1j)
_RARE = 0.002


class _Text(str):
    __slots__ = ()


class _Row(list):
    pass


def compare(count: int) -> list[str]:
    """Compare that many documents, one in eight through a stack too; return what differed."""
    stack = build(RECOMMENDED, MemoryStore(), Keyring.ephemeral("soak"))

    def stored(value):
        return stack.get(stack.put(ADDRESS, value))

    wrong = []
    for number in range(count):
        value = document(random.Random(number))
        expected = _tried(_standard, value)
        ways = (_coded, stored) if number % _ONE_IN == 0 else (_coded,)
        wrong += [f"document {number} comes back changed" for way in ways if _tried(way, value) != expected]
    return wrong


def document(dice: random.Random, depth: int = _MAX_DEPTH):
    """Make a document; a few hold what JSON has no word for."""
    if dice.random() < _RARE:
        return dice.choice(_ODD)
    kind = dice.randrange(9 if depth else 6)
    if kind <= 1:
        return dice.choice((None, True, False, dice.choice(_NUMBERS), dice.getrandbits(dice.randrange(1, 200))))
    if kind <= 3:
        return dice.choice((dice.uniform(-1, 1), dice.gauss(0, 1e18), dice.randrange(-1000, 1000)))
    if kind <= 5:
        return dice.choice((str, str, str, _Text))(_text(dice))
    children = [document(dice, depth - 1) for _ in range(dice.randrange(5))]
    if kind == 6:
        return dice.choice((list, list, tuple, _Row))(children)
    return {_key(dice): child for child in children}


def _key(dice: random.Random):
    return dice.choice((None, True, dice.choice(_NUMBERS))) if dice.random() < 10 * _RARE else _text(dice)


def _text(dice: random.Random) -> str:
    return "".join(dice.choices(_LETTERS, k=dice.randrange(12)))


def _tried(way, value) -> str:
    """Spell the result, which tells 1, 1.0 and True apart and keeps the order of keys; or say that it was refused."""
    try:
        return repr(way(value))
    except (InvalidValueError, TypeError, ValueError):
        return "refused"


def _standard(value):
    return json.loads(json.dumps(value, allow_nan=False))


def _coded(value):
    return load_json(dump_json(value, DEFAULT_LIMITS))
