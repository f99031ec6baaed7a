"""Fuzz keyring documents: as they come, and as bodies under a fresh tag of the id key of the vectors."""

from __future__ import annotations

from harness import REFUSED, refused, same, start, vector

from lamella.armour import armour
from lamella.keys.derive import ID_KEYRING, keyed_mac
from lamella.keys.document import pack, unpack

__all__ = ["one_input"]

_MAC = keyed_mac(unpack(vector("object", "recommended")["keyring"]).primary("id").secret, ID_KEYRING)


def one_input(data: bytes) -> None:
    for document in (data.decode("utf-8", "surrogateescape"), _tagged(data)):
        record = refused(unpack, document)
        if record is not REFUSED:
            same(pack(record), document.removesuffix("\n") + "\n", "a keyring document has two spellings")


def _tagged(body: bytes) -> str:
    signed = f"lamella-keyring:1:{armour(body)}"
    mac = _MAC.copy()
    mac.update(signed.encode())
    return f"{signed}:{armour(mac.finalize())}"


if __name__ == "__main__":
    import atheris

    start(atheris, one_input)
