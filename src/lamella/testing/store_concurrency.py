"""What a store promises to threads, to forked processes and to a second instance over the same data."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import pytest

from lamella.errors import ForkedProcessError, ObjectNotFoundError, StoreConflictError
from lamella.limits import SEGMENT_BYTES
from lamella.protocols.store import ABSENT
from lamella.testing.children import in_children
from lamella.testing.store_objects import any_locator, read
from lamella.testing.threads import together

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.protocols.store import Store, Version

__all__ = ["ConcurrencyContract"]

_THREADS = 6
_INCREMENTS = 12
_CONFLICTS = 5000
"""How many refused updates one writer puts up with: far more than the others can cause."""

_DELETES = 40
_PROCESSES = 3
_REWRITES = 24


def _create(store: Store, locator: str, body: bytes) -> bool:
    try:
        store.put(locator, (body,), if_version=ABSENT)
    except StoreConflictError:
        return False
    return True


def _delete(store: Store, locator: str, version: Version) -> None:
    with suppress(StoreConflictError):
        store.delete(locator, if_version=version)


def _increment(store: Store, locator: str) -> None:
    done = conflicts = 0
    while done < _INCREMENTS:
        version, payload = store.get(locator)
        number = int(b"".join(payload))
        try:
            store.put(locator, (b"%d" % (number + 1),), if_version=version)
        except StoreConflictError:
            conflicts += 1
            assert conflicts < _CONFLICTS, "the store refuses the version that its own get returned"
            continue
        done += 1


class ConcurrencyContract:
    """Threads, forks and other instances.

    Attributes:
        shared: Other instances and processes see what is written; false for a store in the memory of one process.
        deletes_in_one_step: A delete under a condition is one step; false for a server that has no such request.
    """

    shared: ClassVar[bool] = True
    deletes_in_one_step: ClassVar[bool] = True

    def test_threads_share_a_store(self, store: Store) -> None:
        locators = [any_locator() for _ in range(_THREADS)]

        def rewrite(locator: str) -> list[bytes]:
            bodies = []
            for index in range(_INCREMENTS):
                store.put(locator, (f"{locator} {index}".encode(),))
                bodies.append(read(store, locator))
            return bodies

        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(rewrite, locators))
        assert found == [[f"{locator} {index}".encode() for index in range(_INCREMENTS)] for locator in locators]

    def test_one_of_many_creators_wins(self, store: Store) -> None:
        if store.conditional_put:
            bodies = [b"%d" % index for index in range(_THREADS)]
            for locator in [any_locator() for _ in range(_INCREMENTS)]:
                won = together([partial(_create, store, locator, body) for body in bodies])
                assert won.count(True) == 1
                assert read(store, locator) == bodies[won.index(True)]

    def test_threads_lose_no_conditional_update(self, store: Store) -> None:
        if store.conditional_put:
            locator = any_locator()
            store.put(locator, (b"0",))
            together([partial(_increment, store, locator)] * _THREADS)
            assert read(store, locator) == b"%d" % (_THREADS * _INCREMENTS)

    def test_delete_under_a_condition_takes_no_later_write(self, store: Store) -> None:
        if store.conditional_put and self.deletes_in_one_step:
            for number in range(_DELETES):
                locator = any_locator()
                version = store.put(locator, (b"first",))
                calls: list[Callable[[], object]] = [
                    partial(_delete, store, locator, version),
                    partial(store.put, locator, (b"second",)),
                ]
                together(calls[:: -1 if number % 2 else 1])  # Who comes to the start last mostly goes first.
                assert read(store, locator) == b"second"

    @pytest.mark.parametrize("size_bytes", [100, 2 * SEGMENT_BYTES + 1])
    def test_readers_never_see_a_torn_object(self, store: Store, size_bytes: int) -> None:
        locator = any_locator()
        store.put(locator, (bytes(size_bytes),))
        writing = True

        def rewrite() -> None:
            for fill in range(1, _REWRITES):
                store.put(locator, (bytes((fill,)) * size_bytes,))

        def read_often() -> set[tuple[int, int]]:
            seen = set()
            while writing:
                body = read(store, locator)
                seen.add((len(body), len(set(body))))
            return seen

        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read_often) for _ in range(2)]
            try:
                pool.submit(rewrite).result()
            finally:
                writing = False
            assert [reader.result() for reader in readers] == [{(size_bytes, 1)}] * 2

    def test_puts_survive_deletions_beside_them(self, store: Store) -> None:
        folder = any_locator()

        def write(index: int) -> bytes:
            locator = f"{folder}/{index}"
            for _ in range(_REWRITES):
                store.put(locator, (b"there",))
                store.delete(locator)
            store.put(locator, (b"last",))
            return read(store, locator)

        with ThreadPoolExecutor(_THREADS) as pool:
            assert list(pool.map(write, range(_THREADS))) == [b"last"] * _THREADS

    def test_second_instance_sees_every_write(self, store: Store, reopen: Callable[[], Store]) -> None:
        if self.shared:
            locator = any_locator()
            second = reopen()
            for body in (b"first", b"second"):
                store.put(locator, (body,))
                assert read(second, locator) == body
            second.delete(locator)
            with pytest.raises(ObjectNotFoundError):
                store.get(locator)
            second.close()

    def test_forked_child_uses_the_store_or_is_refused(self, store: Store) -> None:
        locator = any_locator()
        store.put(locator, (b"parent",))

        def child() -> bytes:
            before = read(store, locator)
            store.put(locator, (b"child",))
            return before + read(store, locator)

        (result,) = in_children(child)
        if not store.fork_safe:
            assert isinstance(result, ForkedProcessError)
            return
        assert result == b"parentchild"
        assert read(store, locator) == (b"child" if self.shared else b"parent")

    def test_instance_made_in_a_forked_child_works_or_is_refused(
        self, store: Store, reopen: Callable[[], Store]
    ) -> None:
        locator = any_locator()
        store.put(locator, (b"parent",))
        (result,) = in_children(lambda: read(reopen(), locator))
        assert result == b"parent" or (isinstance(result, ForkedProcessError) and not store.fork_safe)

    def test_forked_processes_lose_no_conditional_update(self, store: Store) -> None:
        if store.conditional_put and store.fork_safe:
            locator = any_locator()
            store.put(locator, (b"0",))
            results = in_children(*[lambda: _increment(store, locator)] * _PROCESSES)
            assert results == [None] * _PROCESSES
            assert read(store, locator) == (b"%d" % (_PROCESSES * _INCREMENTS) if self.shared else b"0")

    def test_fork_beside_busy_threads_stops_nobody(self, store: Store) -> None:
        if store.fork_safe:
            locators = [any_locator() for _ in range(_THREADS)]
            writing = True

            def rewrite(locator: str) -> bytes:
                while writing:
                    store.put(locator, (b"busy",))
                return read(store, locator)

            def child() -> bytes:
                store.put(locators[0], (b"child",))
                return read(store, any_of_the_child)

            any_of_the_child = any_locator()
            store.put(any_of_the_child, (b"before",))
            with ThreadPoolExecutor(_THREADS) as pool:
                writers = [pool.submit(rewrite, locator) for locator in locators]
                try:
                    results = in_children(*[child] * _PROCESSES)
                finally:
                    writing = False
                assert [writer.result() in {b"busy", b"child"} for writer in writers] == [True] * _THREADS
            assert results == [b"before"] * _PROCESSES
