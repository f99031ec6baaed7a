"""What the first-party stores share: their URLs and options, locators, conditions, kinds of errors and segments."""

from __future__ import annotations

import errno
from functools import lru_cache
from typing import TYPE_CHECKING

from lamella.errors import ConfigError, ObjectNotFoundError, StoreConflictError, StoreError, StoreUnavailableError
from lamella.limits import SEGMENT_BYTES
from lamella.protocols.store import ABSENT, is_locator

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lamella.protocols.layer import Payload
    from lamella.protocols.store import Condition, Store, Version

__all__ = [
    "check_condition",
    "check_locator",
    "check_options",
    "check_prefix",
    "check_version",
    "conflict",
    "kind_of",
    "not_found",
    "place",
    "segments",
    "switch",
]

_TRANSIENT = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ENOLCK, errno.ESTALE, errno.ETIMEDOUT}
)


@lru_cache(maxsize=1024)
def check_locator(locator: str) -> None:
    """Refuse what is no locator before anything is touched, so that no name can leave the store.

    Raises:
        StoreError: It is longer than 160 characters or outside the alphabet.
    """
    if not is_locator(locator):
        raise StoreError("not a locator: use components of [a-z0-9-] joined by '/', at most 160 characters")


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that does not name a folder.

    Raises:
        StoreError: It does not end in `/`, or what precedes that is no locator.
    """
    if not prefix.endswith("/"):
        raise StoreError("a prefix ends in '/': it names a folder")
    check_locator(prefix[:-1])


def check_condition(store: Store, condition: Condition) -> None:
    """Refuse a condition that the store would ignore.

    Raises:
        StoreError: The store has no conditional put.
    """
    if condition is not None and not store.conditional_put:
        raise StoreError(f"the {store.scheme} store cannot write under a condition; use one with conditional_put")


def check_version(locator: str, condition: Condition, current: Version | None) -> None:
    """Compare a condition with the version that is stored, None for nothing.

    Raises:
        StoreConflictError: They differ.
    """
    if (current is not None) if condition is ABSENT else (current != condition):
        raise conflict(locator)


def conflict(locator: str) -> StoreConflictError:
    """Say that a condition does not hold."""
    return StoreConflictError("someone else wrote the object first; read it again and repeat", locator=locator)


def not_found(locator: str) -> ObjectNotFoundError:
    """Say that nothing is stored at a locator."""
    return ObjectNotFoundError(
        "nothing is stored at the locator; it was deleted, or it was written to another store", locator=locator
    )


def kind_of(code: int | None) -> type[StoreError]:
    """Tell an error of the operating system, by its errno, that may pass from one that stays."""
    return StoreUnavailableError if code in _TRANSIENT else StoreError


def place(scheme: str, url: str) -> str:
    """Return what follows `scheme://`, as written: nothing in it is unquoted.

    Raises:
        ConfigError: The URL has another scheme, or holds a NUL.
    """
    start = f"{scheme}://"
    if not url.startswith(start) or "\0" in url:
        raise ConfigError(f"a {scheme} store is named by a URL that begins with {start!r}")
    return url[len(start) :]


def check_options(scheme: str, options: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse an option that the store does not have: a misspelt one would be lost silently.

    Raises:
        ConfigError: It is unknown; the message names the known ones.
    """
    unknown = sorted(set(options) - set(known))
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"{scheme} store: unknown option {', '.join(map(repr, unknown))}; the options are: {names}")


def switch(scheme: str, name: str, value: str) -> bool:
    """Read an option that is on or off.

    Raises:
        ConfigError: It is neither `true` nor `false`.
    """
    if value not in {"true", "false"}:
        raise ConfigError(f"{scheme} store: option {name} is 'true' or 'false'")
    return value == "true"


def segments(body: bytes) -> Payload:
    """Cut a body that is in memory into segments, without copying it."""
    if len(body) <= SEGMENT_BYTES:
        return iter((body,))
    view = memoryview(body)
    return (view[start : start + SEGMENT_BYTES] for start in range(0, len(body), SEGMENT_BYTES))
