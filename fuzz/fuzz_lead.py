"""Fuzz leads: one is refused by name, or its address packs to the bytes that it was read from."""

from __future__ import annotations

from harness import REFUSED, ragged, refused, same, start

from lamella.wire.lead import pack_lead, read_lead, unpack_lead

__all__ = ["one_input"]


def one_input(data: bytes) -> None:
    unpacked = refused(unpack_lead, data)
    streamed = refused(read_lead, iter(ragged(data)))
    if unpacked is REFUSED:
        same(streamed, REFUSED, "a lead is read off a stream that is none")
        return
    lead, end = unpacked
    same((streamed[0], b"".join(streamed[1])), (lead, data[end:]), "a lead is another one on a stream")
    address = refused(lead.address)
    if address is not REFUSED:
        same(pack_lead(lead.codec, address), data[:end], "an address has two spellings")


if __name__ == "__main__":
    import atheris

    start(atheris, one_input)
