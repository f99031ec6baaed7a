"""Fuzz envelopes: a header is refused by name or packs to the bytes that it was read from, however they are cut."""

from __future__ import annotations

from harness import REFUSED, ragged, refused, same, start

from lamella.wire.envelope import pack_header, read_header, unpack_header

__all__ = ["one_input"]


def one_input(data: bytes) -> None:
    unpacked = refused(unpack_header, data)
    streamed = refused(read_header, iter(ragged(data)))
    if unpacked is REFUSED:
        same(streamed, REFUSED, "a header is read off a stream that is none")
        return
    header, end = unpacked
    same(pack_header(*header), data[:end], "a header has two spellings")
    same((streamed[0], b"".join(streamed[1])), (header, data[end:]), "a header is another one on a stream")


if __name__ == "__main__":
    import atheris

    start(atheris, one_input)
