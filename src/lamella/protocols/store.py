"""What an inner store is: objects at locators, replaced whole.

What every store promises, and `lamella.testing.StoreContract` proves:

- **Atomic.** A reader sees the whole object that was there or the whole one that is put, also after a crash.
- **Durable.** What `put` returned for survives the process; what the store's settings relax, its page says.
- **Read after write.** What `put` returned for, every later `get` and `list` sees, from any process.
- **Idempotent delete.** Deleting what is absent is no error.
- **Exact names.** A locator is `[a-z0-9/-]`, at most 160 characters, without empty, `.` or `..` components. Names
  that differ are different objects; a locator is never the prefix folder of another one.
- **Conditions** (`conditional_put`). `if_version` is checked and the write or the delete is made as one step; a store
  whose server has no such delete says so on its page. Versions differ whenever the bytes differ; a version is opaque,
  compared only for equality, and outlives the process.
- **Listing** (`lists`). `list(prefix)` streams in bounded memory, in no promised order, and each object that is there
  throughout the call once. A prefix ends in `/` and means that folder, never `ab/` for `a`. What other programs left
  under a name that is no locator is left out.
- **Errors.** `ObjectNotFoundError`, `StoreConflictError`, `StoreUnavailableError` (transient), else `StoreError`; the
  store's own exception is the cause. After a failed `put` nothing partial can be read and no temporary object stays.
- **Threads and forks.** Any number of threads. Opened lazily, by the process that uses it; a store that is not
  `fork_safe` raises `ForkedProcessError` in a child of the process that opened it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, NewType, NoReturn

from lamella.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from typing_extensions import Self

    from lamella.protocols.layer import Payload, Segment

__all__ = [
    "ABSENT",
    "Absent",
    "Condition",
    "ForwardingStore",
    "InRefStore",
    "Store",
    "StoredObject",
    "Version",
    "is_locator",
]

Version = NewType("Version", str)
"""What tells two writes of one object apart, as long as their bytes differ."""


_MAX_LOCATOR_CHARS: Final = 160
_LOCATOR: Final = re.compile(r"[a-z0-9-]+(?:/[a-z0-9-]+)*")
_ABILITIES: Final = ("scheme", "conditional_put", "lists", "streams", "fork_safe", "in_ref", "max_object_bytes")


def is_locator(name: str) -> bool:
    """Tell whether a name may be an object's; what is named otherwise, other programs put there."""
    return len(name) <= _MAX_LOCATOR_CHARS and _LOCATOR.fullmatch(name) is not None


class Absent:
    """The type of `ABSENT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""The condition "nothing is stored there"."""

Condition = Version | Absent | None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One row of a listing.

    Attributes:
        locator: Where it rests.
        size_bytes: Its size.
        modified_at: Seconds since 1970-01-01 UTC of its last put, by the store's clock.
    """

    locator: str
    size_bytes: int
    modified_at: float


class Store(ABC):
    """An inner store. The module's docstring is its contract.

    Attributes:
        scheme: The registered name, which begins its URLs.
        conditional_put: Honours `if_version`.
        lists: Has `list`.
        streams: `put` and `get` hold a bounded part of an object in memory.
        fork_safe: May be opened before a fork and used after it.
        in_ref: Keeps nothing: the object travels inside its ref, and no method is called.
        max_object_bytes: The largest object, None for no ceiling of its own.
    """

    scheme: ClassVar[str]
    conditional_put: bool = True
    lists: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    fork_safe: ClassVar[bool] = True
    in_ref: ClassVar[bool] = False
    max_object_bytes: int | None = None

    @classmethod
    @abstractmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> Self:
        """Build the store that a URL and its options name, without opening it.

        Raises:
            ConfigError: The URL does not name such a store, or an option is unknown.
        """

    @abstractmethod
    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Replace the object by the bytes of `source`, and return its new version.

        Raises:
            StoreConflictError: The object is not at `if_version`.
            StoreUnavailableError: The store does not answer.
            StoreError: The store cannot keep it; an error that `source` raises passes as it is.
        """

    @abstractmethod
    def get(self, locator: str) -> tuple[Version, Payload]:
        """Return the version and the bytes of one and the same write, in segments.

        Raises:
            ObjectNotFoundError: Nothing is stored there.
            StoreUnavailableError: The store does not answer.
        """

    @abstractmethod
    def delete(self, locator: str, *, if_version: Version | None = None) -> None:
        """Remove the object; absent is no error unless `if_version` is given.

        Raises:
            StoreConflictError: The object is not at `if_version`.
            StoreUnavailableError: The store does not answer.
        """

    @abstractmethod
    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Stream the objects in the folder `prefix`, which ends in `/`.

        Raises:
            StoreUnavailableError: The store does not answer.
        """

    def close(self) -> None:  # noqa: B027 - a store that keeps nothing open has nothing to close
        """Give back what is open; a later call opens it again."""


class ForwardingStore(Store):
    """A store around another one: it can do what that can, and passes every call on; override what is to differ."""

    def __init__(self, inner: Store) -> None:
        """Take the store that does the work, and its abilities."""
        self._inner = inner
        for name in _ABILITIES:
            setattr(self, name, getattr(inner, name))

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> NoReturn:
        """Refuse: it is made around a store.

        Raises:
            ConfigError: Always.
        """
        del url, options
        raise ConfigError(f"{cls.__name__} has no URL; build it around another store")

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Put into the inner store."""
        return self._inner.put(locator, source, if_version=if_version)

    def get(self, locator: str) -> tuple[Version, Payload]:
        """Get from the inner store."""
        return self._inner.get(locator)

    def delete(self, locator: str, *, if_version: Version | None = None) -> None:
        """Delete from the inner store."""
        self._inner.delete(locator, if_version=if_version)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """List the inner store."""
        return self._inner.list(prefix)

    def close(self) -> None:
        """Close the inner store."""
        self._inner.close()


class InRefStore(Store):
    """A store that keeps nothing: the object travels inside its ref, and every method refuses a caller.

    Attributes:
        refusal: What the caller is told: where the object is, and how to reach it.
    """

    conditional_put: bool = False
    lists: ClassVar[bool] = False
    streams: ClassVar[bool] = False
    in_ref: ClassVar[bool] = True
    refusal: ClassVar[str]

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Refuse."""
        del source, if_version
        self._refuse(locator)

    def get(self, locator: str) -> NoReturn:
        """Refuse."""
        self._refuse(locator)

    def delete(self, locator: str, *, if_version: Version | None = None) -> None:
        """Refuse."""
        del if_version
        self._refuse(locator)

    def list(self, prefix: str) -> NoReturn:
        """Refuse."""
        self._refuse(prefix)

    def _refuse(self, locator: str) -> NoReturn:
        raise StoreError(self.refusal, locator=locator)
