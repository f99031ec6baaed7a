"""What many write instead: Fernet over zlib, in one process and on the same files."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet
from files import read_file, replace_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FernetZlib"]

_LEVEL = 6


class FernetZlib:
    """JSON, zlib level 6, Fernet (AES-128-CBC and HMAC-SHA-256 in base64), a file replaced by rename."""

    def __init__(self, folder: Path) -> None:
        """Make the key once, as the values are many."""
        folder.mkdir()
        self._folder = str(folder)
        self._fernet = Fernet(Fernet.generate_key())

    def put(self, name: str, value: object) -> str:
        """Store a value as the file `name`, and return that."""
        token = self._fernet.encrypt(zlib.compress(json.dumps(value).encode(), _LEVEL))
        replace_file(f"{self._folder}/{name}", token, fsync=False)
        return name

    def get(self, name: str) -> object:
        """Return the value of the file `name`."""
        return json.loads(zlib.decompress(self._fernet.decrypt(read_file(f"{self._folder}/{name}"))))
