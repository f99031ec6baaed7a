"""Fuzz refs: any text is refused by name or is the one spelling of what it says, whatever its tag."""

from __future__ import annotations

from harness import KEYRING, LIMITS, REFUSED, refused, same, start

from lamella.wire.ref import format_ref, parse_ref, peek_ref

__all__ = ["one_input"]

_TAG_CHARS = 43


def one_input(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    verified = refused(parse_ref, text, LIMITS, KEYRING.mac_ref)
    read = refused(peek_ref, text, LIMITS)
    if read is REFUSED:
        same(verified, REFUSED, "a ref verifies that cannot be read")
        return
    tagged = refused(format_ref, read, bytes.fromhex(text.split(":")[2]), KEYRING.mac_ref)
    if tagged is REFUSED:
        same(verified, REFUSED, "a ref verifies under a key that is not there")
        return
    same(tagged[:-_TAG_CHARS], text[:-_TAG_CHARS], "a ref has two spellings")
    same(parse_ref(tagged, LIMITS, KEYRING.mac_ref), read, "a ref says another thing once it is tagged")
    same(verified is REFUSED, tagged != text, "a ref verifies under a tag that is not its own")


if __name__ == "__main__":
    import atheris

    start(atheris, one_input)
