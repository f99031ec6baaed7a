"""One file an object under one folder, replaced by rename.

```
ROOT/o1/<scope>/<map index>/<key>   the objects, each at its locator
ROOT/.tmp/<32 hex digits>           objects that are being written
ROOT/.locks/<00 to 3f>              empty files; a writer locks the one that its locator falls to
```

A locator holds no dot, so neither folder can meet an object.

Source: README.md in this folder, "directory".
"""

# ruff: noqa: PTH100, PTH106, PTH108, PTH120 - path objects cost more than the system calls that they wrap

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from lamella.errors import ConfigError
from lamella.limits import SEGMENT_BYTES
from lamella.protocols.store import Store, Version
from lamella_layers.store import files
from lamella_layers.store.locks import lock
from lamella_layers.store.shared import check_locator, check_options, check_prefix, check_version, not_found, place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from typing_extensions import Self

    from lamella.protocols.layer import Payload, Segment
    from lamella.protocols.store import Condition, StoredObject

__all__ = ["DirectoryStore"]

_FSYNC: Final = ("off", "file", "full")


class DirectoryStore(Store):
    """A folder of files, for one host or a network file system with working `flock`."""

    scheme: ClassVar[str] = "directory"

    def __init__(self, path: str | os.PathLike[str], *, fsync: str = "file") -> None:
        """Name the folder; it is made by the first write.

        Args:
            path: The folder; a relative one is taken from the working directory of now.
            fsync: What a put waits for: `off` nothing, `file` the data, `full` the folders as well.

        Raises:
            ConfigError: The path is empty or the root of the file system, or `fsync` is none of the three.
        """
        if not os.fspath(path) or os.path.abspath(path) == "/":
            raise ConfigError("a directory store needs a folder: 'directory:///var/lib/state' or 'directory://state'")
        if fsync not in _FSYNC:
            raise ConfigError(f"directory store: option fsync is one of {', '.join(_FSYNC)}")
        self._root = os.path.abspath(path)
        self._fsync = fsync
        self._swept = False

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> Self:
        """Build the store from `directory:///absolute` or `directory://relative`."""
        check_options(cls.scheme, options, ("fsync",))
        return cls(place(cls.scheme, url), **options)

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Write a temporary file, then rename it over the object."""
        check_locator(locator)
        temporary = f"{self._root}/.tmp/{os.urandom(16).hex()}"
        if not self._swept:
            self._swept = True
            files.sweep(os.path.dirname(temporary))
        try:
            version = files.write_new(temporary, source, locator, sync=self._fsync != "off")
            self._change(locator, if_version, partial(files.replace, temporary))
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        return version

    def get(self, locator: str) -> tuple[Version, Payload]:
        """Read from one open file, which stays the same write whatever replaces its name."""
        check_locator(locator)
        try:
            descriptor, status = files.open_object(f"{self._root}/{locator}")
        except FileNotFoundError as error:
            raise not_found(locator) from error
        except OSError as error:
            raise files.failure(error, locator) from error
        try:
            first = os.read(descriptor, min(status.st_size, SEGMENT_BYTES))
        except OSError as error:
            os.close(descriptor)
            raise files.failure(error, locator) from error
        version = files.version(status, first)
        if len(first) == status.st_size:
            os.close(descriptor)
            return version, iter((first,))
        return version, files.stream(descriptor, first, locator)

    def delete(self, locator: str, *, if_version: Version | None = None) -> None:
        """Unlink the file, and the folders that it leaves empty."""
        check_locator(locator)
        files.stay_inside(self._root, os.path.dirname(locator))
        self._change(locator, if_version, _unlink)
        self._remove_empty_folders(f"{self._root}/{locator}")

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Walk the folder, holding one open folder a level."""
        check_prefix(prefix)
        files.stay_inside(self._root, prefix[:-1])
        return files.walk(f"{self._root}/{prefix[:-1]}", prefix)

    def _change(self, locator: str, condition: Condition, change: Callable[[str], None]) -> None:
        """Change the file of a locator under its lock, if its version is still the one of the condition."""
        path = f"{self._root}/{locator}"
        try:
            # Every write takes it: an unconditional one must not fall between the check and the write of another.
            held = lock(self._root, locator)
            try:
                if condition is not None:
                    check_version(locator, condition, files.current_version(path))
                change(path)
            finally:
                with held:
                    fcntl.flock(held, fcntl.LOCK_UN)
            if self._fsync == "full":
                self._sync_folders(path)
        except OSError as error:
            raise files.failure(error, locator) from error

    def _remove_empty_folders(self, path: str) -> None:
        folder = os.path.dirname(path)
        # A folder that is in use, or that another deletion takes, simply stays or is gone.
        with suppress(OSError):
            while folder != self._root:
                os.rmdir(folder)
                folder = os.path.dirname(folder)

    def _sync_folders(self, path: str) -> None:
        folder = path
        while folder != self._root:
            folder = os.path.dirname(folder)
            files.sync_folder(folder)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
