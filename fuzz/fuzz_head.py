"""Fuzz head records: one is refused by name or packs to the bytes that it was read from."""

from __future__ import annotations

from harness import LIMITS, REFUSED, refused, same, start

from lamella.wire.head import pack_head, unpack_head

__all__ = ["one_input"]


def one_input(data: bytes) -> None:
    head = refused(unpack_head, data, LIMITS)
    if head is not REFUSED:
        same(pack_head(head), data, "a head record has two spellings")


if __name__ == "__main__":
    import atheris

    start(atheris, one_input)
