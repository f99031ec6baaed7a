"""Fuzz the whole read path against a store that serves the fuzzer's bytes: nothing forged is ever read.

| field | meaning |
|---|---|
| byte | bit 0: the stack seals nothing; bit 1: each read finds another version |
| byte | the size of the pieces in which the store serves, 0 for one piece |
| block | the head: 2 bytes of length, and the bytes |
| blocks | the parts |
"""

from __future__ import annotations

import json

from harness import REFUSED, VECTORS, Fields, refused, same, start
from hostile import ADDRESS, SEALED, STORE, UNSEALED, get, get_at, stream

__all__ = ["one_input"]


def _genuine() -> set[str]:
    """Return the values that the vectors sealed, spelled."""
    paths = (VECTORS / "object" / "accept").glob("*.json")
    told = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    return {repr(each["value"]) for each in told if each["codec"] == 0}


_GENUINE = _genuine()


def one_input(data: bytes) -> None:
    fields = Fields(data)
    flags, cut_bytes = fields.byte(), fields.byte()
    STORE.serve(fields.block(), fields.blocks(), cut_bytes=cut_bytes, restless=bool(flags & 2))
    stack = UNSEALED if flags & 1 else SEALED
    values = {repr(value) for value in (get(stack), get_at(stack)) if value is not REFUSED}
    if stack is SEALED:
        same(values - _GENUINE, set(), "a value was read that nobody sealed")
    stream(stack)
    refused(stack.delete, ADDRESS)


if __name__ == "__main__":
    import atheris

    start(atheris, one_input)
