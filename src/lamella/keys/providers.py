"""Where keyrings rest: in a file (`file:PATH`) or in an environment variable (`env:NAME`)."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import re
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lamella.errors import ConfigError, KeyProviderUnavailableError, KeyringError
from lamella.keys.document import MAX_DOCUMENT_BYTES
from lamella.keys.edit import check_successor
from lamella.protocols.key_provider import KeyProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

__all__ = ["EnvKeyProvider", "FileKeyProvider"]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_RANDOM_CHARS = 8
"""What `tempfile.mkstemp` puts behind a prefix."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TRANSIENT = frozenset((errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT))


class FileKeyProvider(KeyProvider):
    """A keyring in a file that its owner alone can access; symbolic links are followed."""

    name: ClassVar[str] = "file"
    writable: ClassVar[bool] = True

    def __init__(self, path: str | Path) -> None:
        """Name the file, without touching it."""
        self._path = Path(path).absolute()

    @classmethod
    def from_spec(cls, rest: str) -> Self:
        """Build the provider of `file:PATH`.

        Raises:
            ConfigError: The path is empty or cannot be a path.
        """
        if not rest or "\0" in rest:
            raise ConfigError("a keyring file is named as file:PATH")
        if "lamella-keyring" in rest and rest.count(":") > 1:
            raise ConfigError("the keyring document itself stands where its path belongs; write file:PATH")
        return cls(rest)

    def load(self) -> str:
        """Return the document.

        Raises:
            KeyringError: The file is missing, open to others, too large or no text.
            KeyProviderUnavailableError: The file system does not answer.
        """
        try:
            # Without O_NONBLOCK a named pipe would hold the process for ever.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                self._check(os.fstat(descriptor))
                raw = os.read(descriptor, MAX_DOCUMENT_BYTES + 1)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            raise KeyringError(
                f"there is no keyring file {self._path}; restore it from a backup, or make a first one with "
                f"`lamella keygen --deployment NAME --keyring file:{self._path}`"
            ) from None
        except OSError as error:
            raise self._failed("read", error) from error
        if len(raw) > MAX_DOCUMENT_BYTES or not raw.isascii():
            raise KeyringError(f"{self._path} is not a keyring document: too large or not ASCII; check the path")
        return raw.decode()

    def save(self, document: str, *, replace: bool) -> None:
        """Keep the document in a file of mode 0600: a new one, or the next epoch of the one that is there.

        Raises:
            KeyringError: The file exists, cannot be written, or is not at the epoch before the document's.
            KeyProviderUnavailableError: The file system does not answer.
        """
        # A replaced symbolic link would leave the file behind it at the old epoch.
        path = Path(os.path.realpath(self._path))
        try:
            if not replace:
                _write(path, document, replace=False)
                return
            with _locked(path):
                check_successor(self.load(), document)
                # Under the lock they are nobody's: a save that was killed left them, with every secret in them.
                for left in path.parent.glob(glob.escape(_private(path)) + "?" * _RANDOM_CHARS):
                    left.unlink(missing_ok=True)
                _write(path, document, replace=True)
        except FileExistsError:
            raise KeyringError(f"{self._path} exists already and is never overwritten; choose another path") from None
        except OSError as error:
            raise self._failed("write", error) from error

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise KeyringError(f"{self._path} is not a regular file; check the path")
        if status.st_mode & _OTHERS:
            raise KeyringError(
                f"users other than its owner can access {self._path}; run `chmod 600 {self._path}`, "
                "and rotate the keys if someone may have read them"
            )

    def _failed(self, verb: str, error: OSError) -> KeyringError:
        kind = KeyProviderUnavailableError if error.errno in _TRANSIENT else KeyringError
        return kind(f"cannot {verb} the keyring file {self._path}: {error.strerror}; check its owner and folder")


class EnvKeyProvider(KeyProvider):
    """A keyring in an environment variable, read-only."""

    name: ClassVar[str] = "env"

    def __init__(self, variable: str) -> None:
        """Name the variable, without reading it."""
        self._variable = variable

    @classmethod
    def from_spec(cls, rest: str) -> Self:
        """Build the provider of `env:NAME`.

        Raises:
            ConfigError: The name cannot be one of an environment variable.
        """
        if not _VARIABLE.fullmatch(rest) or rest.upper().startswith("LAMELLA__"):
            raise ConfigError(
                "a keyring in the environment is named as env:NAME, letters, digits and '_' only, and a NAME that does "
                "not begin with LAMELLA__, as those of settings do"
            )
        return cls(rest)

    def load(self) -> str:
        """Return the document.

        Raises:
            KeyringError: The variable is not set, or empty.
        """
        document = os.environ.get(self._variable)
        if not document:
            raise KeyringError(
                f"the environment variable {self._variable} is not set; put the keyring document into it, "
                "the line that `lamella keygen` writes to a file"
            )
        return document


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The lock has a file of its own, because the keyring's file is another one after each save.
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _private(path: Path) -> str:
    """Return how the names begin under which a document is written before it takes its own."""
    return f".{path.name}.new-"


def _write(path: Path, document: str, *, replace: bool) -> None:
    # Opened first, so that a folder that cannot be synced refuses the save instead of failing after it.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor, name = tempfile.mkstemp(prefix=_private(path), dir=path.parent)
        temporary = Path(name)
        try:
            with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - mkstemp gives a descriptor
                file.write(document)
                file.flush()
                os.fsync(descriptor)
            if replace:
                temporary.replace(path)
            else:
                path.hardlink_to(temporary)
        finally:
            temporary.unlink(missing_ok=True)
        os.fsync(folder)
    finally:
        os.close(folder)
