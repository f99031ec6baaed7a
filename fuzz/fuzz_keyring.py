"""Fuzz keyring documents, as they come and as bodies under a fresh tag of the id key of the vectors, and backups."""

from __future__ import annotations

from harness import REFUSED, refused, same, start, vector

from lamella.armour import armour
from lamella.keys.derive import ID_KEYRING, keyed_mac
from lamella.keys.document import pack, unpack
from lamella.keys.export import open_backup

__all__ = ["one_input"]

_RECORD = unpack(vector("object", "recommended")["keyring"])
_MAC = keyed_mac(_RECORD.primary("id").secret, ID_KEYRING)
_EXPORT = f"lamella-keyring-export:1:{_RECORD.primary('data').key_id.hex()}:"


def one_input(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for backup in (text, _EXPORT + text, _EXPORT + armour(data)):
        same(refused(open_backup, backup, _RECORD), REFUSED, "a backup opens that nobody wrapped")
    for document in (text, _tagged(data)):
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
