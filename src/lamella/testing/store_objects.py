"""What a store promises of one object: whole, exact, read after write."""

from __future__ import annotations

import os
import tracemalloc
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from lamella.errors import ObjectNotFoundError, StoreError
from lamella.limits import SEGMENT_BYTES
from lamella.testing.payloads import SEGMENTATIONS, noise
from lamella.wire.locator import ALL_HEADS, ALL_PARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamella.protocols.layer import Segment
    from lamella.protocols.store import Store

__all__ = ["ObjectContract", "any_locator", "locators", "objects", "read"]

_SIZES = (0, 1, 65_536, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1)
_LARGE_BYTES = 20 * SEGMENT_BYTES
_STREAM_SEGMENTS = 48
_NO_LOCATORS = (
    "",
    "/o1/a",
    "o1/a/",
    "o1//a",
    "o1/./a",
    "o1/../a",
    "../a",
    "o1/A",
    "o1/a.b",
    "o1/a b",
    "o1/a\\b",
    "o1/a\n",
    "o1/a\0",
    "o1/\N{LATIN SMALL LETTER E WITH ACUTE}",
    "o1/\N{ARABIC-INDIC DIGIT ONE}",
    "a" * 161,
)


def any_locator() -> str:
    """Return a locator like those of heads, which nobody else uses."""
    return f"o1/{os.urandom(16).hex()}/-1/{os.urandom(16).hex()}"


def locators(store: Store) -> list[str]:
    """Return the locators of all heads, then those of all parts, each in order."""
    return sorted(each.locator for top in (ALL_HEADS, ALL_PARTS) for each in store.list(top))


def read(store: Store, locator: str) -> bytes:
    """Read a whole object."""
    return b"".join(store.get(locator)[1])


def objects(store: Store) -> dict[str, bytes]:
    """Read all heads and parts, by locator."""
    return {locator: read(store, locator) for locator in locators(store)}


class _SourceError(Exception):
    """What the source of a put raises."""


def _breaks_after(size_bytes: int) -> Iterator[Segment]:
    for _ in range(size_bytes // SEGMENT_BYTES):
        yield noise(SEGMENT_BYTES)
    yield b"the last segment"
    raise _SourceError


class ObjectContract:
    """Put, get and delete, in one thread."""

    @pytest.mark.parametrize("size_bytes", _SIZES)
    def test_object_is_read_back_however_it_was_cut(self, store: Store, size_bytes: int) -> None:
        locator = any_locator()
        for cut in SEGMENTATIONS:
            store.put(locator, iter(cut(noise(size_bytes))))
            assert read(store, locator) == noise(size_bytes)

    def test_object_of_many_segments_is_read_back(self, store: Store) -> None:
        locator = any_locator()
        body = noise(_LARGE_BYTES)
        view = memoryview(body)
        cuts = [view[start : start + SEGMENT_BYTES] for start in range(0, len(body), SEGMENT_BYTES)]
        store.put(locator, (part for segment in cuts for part in (b"", segment)))
        assert read(store, locator) == body

    def test_stream_comes_in_segments(self, store: Store) -> None:
        locator = any_locator()
        store.put(locator, (noise(SEGMENT_BYTES) for _ in range(5)))
        for segment in store.get(locator)[1]:
            assert isinstance(segment, (bytes, memoryview))
            assert len(segment) <= SEGMENT_BYTES

    def test_source_without_segments_makes_an_empty_object(self, store: Store) -> None:
        locator = any_locator()
        store.put(locator, ())
        assert read(store, locator) == b""

    def test_second_put_replaces_the_whole_object(self, store: Store) -> None:
        locator = any_locator()
        for body in (noise(3 * SEGMENT_BYTES), b"short", b"", noise(65_536)):
            store.put(locator, (body,))
            assert read(store, locator) == body

    @pytest.mark.parametrize("pulled", [0, 1])
    def test_stream_ends_with_the_write_that_its_version_is_of(self, store: Store, pulled: int) -> None:
        locator = any_locator()
        old = noise(3 * SEGMENT_BYTES)
        store.put(locator, (old,))
        _, stream = store.get(locator)
        begun = b"".join(islice(stream, pulled))
        store.put(locator, (b"new" * SEGMENT_BYTES,))
        store.delete(locator)
        assert begun + b"".join(stream) == old

    def test_object_that_was_never_put_is_not_found(self, store: Store) -> None:
        locator = any_locator()
        with pytest.raises(ObjectNotFoundError) as caught:
            store.get(locator)
        assert caught.value.locator == locator

    def test_deleted_object_is_not_found(self, store: Store) -> None:
        locator = any_locator()
        store.put(locator, (b"there",))
        store.delete(locator)
        with pytest.raises(ObjectNotFoundError):
            store.get(locator)

    def test_delete_of_nothing_is_no_error(self, store: Store) -> None:
        locator = any_locator()
        store.delete(locator)
        store.put(locator, (b"there",))
        store.delete(locator)
        store.delete(locator)

    def test_delete_leaves_the_neighbours(self, store: Store) -> None:
        scope = f"o1/{os.urandom(16).hex()}/-1"
        names = [f"{scope}/a", f"{scope}/a-", f"{scope}/aa", f"{scope}-/a", f"{scope}a/a"]
        for name in names:
            store.put(name, (name.encode(),))
        store.delete(names[0])
        assert [read(store, name) for name in names[1:]] == [name.encode() for name in names[1:]]

    def test_longest_locators_are_told_apart_by_their_last_character(self, store: Store) -> None:
        start = f"o1/{os.urandom(16).hex()}/".ljust(159, "z")
        for last in ("0", "1"):
            store.put(start + last, (last.encode(),))
        assert [read(store, start + last) for last in ("0", "1")] == [b"0", b"1"]

    @pytest.mark.parametrize("locator", _NO_LOCATORS)
    def test_what_is_no_locator_is_refused(self, store: Store, locator: str) -> None:
        attempts: list[Callable[[], object]] = [
            lambda: store.put(locator, (b"x",)),
            lambda: store.get(locator),
            lambda: store.delete(locator),
        ]
        for attempt in attempts:
            with pytest.raises(StoreError) as caught:
                attempt()
            assert not caught.value.transient
            assert not isinstance(caught.value, ObjectNotFoundError)

    @pytest.mark.parametrize("size_bytes", [0, 12 * SEGMENT_BYTES])
    def test_source_that_breaks_leaves_the_old_object(self, store: Store, size_bytes: int) -> None:
        locator = any_locator()
        store.put(locator, (b"old",))
        with pytest.raises(_SourceError):
            store.put(locator, _breaks_after(size_bytes))
        assert read(store, locator) == b"old"

    @pytest.mark.parametrize("size_bytes", [0, 12 * SEGMENT_BYTES])
    def test_source_that_breaks_leaves_no_object(self, store: Store, size_bytes: int) -> None:
        locator = any_locator()
        with pytest.raises(_SourceError):
            store.put(locator, _breaks_after(size_bytes))
        with pytest.raises(ObjectNotFoundError):
            store.get(locator)
        if store.lists:
            assert locators(store) == []

    def test_stream_takes_bounded_memory(self, store: Store) -> None:
        locator = any_locator()
        segment = noise(SEGMENT_BYTES)
        tracemalloc.start()
        try:
            store.put(locator, (segment for _ in range(_STREAM_SEGMENTS)))
            size_bytes = sum(len(each) for each in store.get(locator)[1])
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert size_bytes == _STREAM_SEGMENTS * SEGMENT_BYTES
        assert not store.streams or peak_bytes < size_bytes / 2, "`streams` promises bounded memory"

    def test_closed_store_opens_again(self, store: Store) -> None:
        locator = any_locator()
        store.put(locator, (b"there",))
        store.close()
        assert read(store, locator) == b"there"
