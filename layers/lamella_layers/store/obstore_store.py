"""What obstore does alike for a bucket and for a folder.

Source: README.md in this folder, "s3" and "file".
"""

from __future__ import annotations

import os
from abc import abstractmethod
from contextlib import suppress
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lamella.errors import (
    ConfigError,
    ForkedProcessError,
    LimitExceededError,
    ObjectNotFoundError,
    StoreError,
)
from lamella.limits import SEGMENT_BYTES
from lamella.protocols.store import ABSENT, Store, StoredObject, Version, is_locator
from lamella_layers.store.obstore_errors import is_panic, mapped
from lamella_layers.store.shared import (
    check_condition,
    check_locator,
    check_prefix,
    check_version,
    segments,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from obstore.store import LocalStore, S3Store

    from lamella.protocols.layer import Payload, Segment
    from lamella.protocols.store import Condition

__all__ = ["PART_BYTES", "ObstoreStore"]

PART_BYTES: Final = 8 * 1024 * 1024
_PARTS_AT_ONCE: Final = 4
_MAX_CONDITIONAL_BYTES: Final = 256 * 1024 * 1024
_LIST_ROWS: Final = 1000
# obstore runs one thread pool a process, which a fork does not copy: every store waits for it for ever in the child.
_OPENED_IN: Final[set[int]] = set()


class ObstoreStore(Store):
    """A store whose requests, retries and timeouts are obstore's."""

    fork_safe: ClassVar[bool] = False

    def __init__(self) -> None:
        """Open nothing yet.

        Raises:
            ConfigError: The library that does the work is not installed.
        """
        if find_spec("obstore") is None:
            raise ConfigError('s3 and file stores need obstore: pip install "lamella[s3]"')
        self._client: S3Store | LocalStore | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_client": None}

    @abstractmethod
    def _connect(self, obstore: Any) -> S3Store | LocalStore:  # noqa: ANN401 - a module that may be missing
        """Open the client, with the module `obstore.store`."""

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Send one request for up to 8 MiB or under a condition, else an upload of 8 MiB parts."""
        check_locator(locator)
        check_condition(self, if_version)
        client = self._ready(locator)
        if if_version is None:
            return self._put_unconditionally(client, locator, source)
        body, longer = _take(source, _MAX_CONDITIONAL_BYTES)
        if longer is not None:
            raise LimitExceededError(
                f"a write under a condition takes at most {_MAX_CONDITIONAL_BYTES} bytes; add 'chunk' to the stack",
                locator=locator,
            )
        mode: Any = "create" if if_version is ABSENT else {"e_tag": if_version}
        with mapped(locator):
            return _version(client.put(locator, body, mode=mode, use_multipart=False))

    def get(self, locator: str) -> tuple[Version, Payload]:
        """Read one answer, whose headers and body are of one write."""
        check_locator(locator)
        client = self._ready(locator)
        with mapped(locator):
            answer = client.get(locator)
            version = _version(answer.meta)
            if not version:
                raise StoreError("the answer has no ETag: no store gave it; check the endpoint", locator=locator)
            if answer.meta["size"] <= SEGMENT_BYTES:
                return version, iter((bytes(answer.bytes()),))
        return version, _stream(answer, locator)

    def delete(self, locator: str, *, if_version: Version | None = None) -> None:
        """Delete the object; a condition is checked by a request of its own just before."""
        check_locator(locator)
        check_condition(self, if_version)
        client = self._ready(locator)
        if if_version is not None:
            current = None
            with suppress(ObjectNotFoundError), mapped(locator):
                current = _version(client.head(locator))
            check_version(locator, if_version, current)
        with suppress(ObjectNotFoundError), mapped(locator):
            client.delete(locator)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Ask for pages of 1000 names."""
        check_prefix(prefix)
        return self._list(self._ready(prefix), prefix)

    def close(self) -> None:
        """Forget the client; what it has open goes with it."""
        self._client = None

    def _list(self, client: S3Store | LocalStore, prefix: str) -> Iterator[StoredObject]:
        with mapped(prefix):
            for page in client.list(prefix, chunk_size=_LIST_ROWS):
                for row in page:
                    if is_locator(row["path"]):
                        yield StoredObject(row["path"], row["size"], row["last_modified"].timestamp())

    def _put_unconditionally(self, client: S3Store | LocalStore, locator: str, source: Iterable[Segment]) -> Version:
        body, longer = _take(source, PART_BYTES)
        if longer is None:
            with mapped(locator):
                return _version(client.put(locator, body, use_multipart=False))
        failures: list[BaseException] = []
        parts = _remembered(_limited(longer, locator, self.max_object_bytes), failures)
        try:
            with mapped(locator):
                return _version(client.put(locator, parts, chunk_size=PART_BYTES, max_concurrency=_PARTS_AT_ONCE))
        except StoreError:
            if failures and not is_panic(failures[0]):
                raise failures[0] from failures[0].__cause__
            raise

    def _ready(self, locator: str) -> S3Store | LocalStore:
        if _OPENED_IN and os.getpid() not in _OPENED_IN:
            raise ForkedProcessError(
                "obstore was used before this process was forked and would hang in it; start processes by 'spawn', "
                "or let the parent leave its s3 and file stores alone until it has forked",
                locator=locator,
            )
        if self._client is None:
            from obstore import store as obstore  # noqa: PLC0415 - it starts threads, which no fork may carry along

            with mapped(locator):
                self._client = self._connect(obstore)
            _OPENED_IN.add(os.getpid())
        return self._client


def _version(facts: Any) -> Version:  # noqa: ANN401 - obstore's types exist for type checkers only
    return Version(facts["e_tag"] or "")


def _take(source: Iterable[Segment], limit_bytes: int) -> tuple[bytes, Iterator[Segment] | None]:
    """Join a source of up to `limit_bytes`; hand back a longer one as it was, all of it still to be read."""
    kept: list[Segment] = []
    room_bytes = limit_bytes
    segments_left = iter(source)
    for segment in segments_left:
        kept.append(segment)
        room_bytes -= len(segment)
        if room_bytes < 0:
            return b"", chain(kept, segments_left)
    return b"".join(kept), None


def _limited(source: Iterable[Segment], locator: str, limit_bytes: int | None) -> Iterator[Segment]:
    size_bytes = 0
    for segment in source:
        size_bytes += len(segment)
        if limit_bytes is not None and size_bytes > limit_bytes:
            raise LimitExceededError(
                f"the store holds objects up to {limit_bytes} bytes; add 'chunk' to the stack", locator=locator
            )
        yield segment


def _remembered(source: Iterable[Segment], failures: list[BaseException]) -> Iterator[Segment]:
    """Keep what a source raises apart from obstore's own errors."""
    try:
        yield from source
    except BaseException as error:
        failures.append(error)
        raise


def _stream(answer: Any, locator: str) -> Payload:  # noqa: ANN401 - obstore's types exist for type checkers only
    with mapped(locator):
        for chunk in answer.stream(min_chunk_size=SEGMENT_BYTES):
            yield from segments(chunk)
