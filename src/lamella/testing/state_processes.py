"""What a state backend promises to threads, forks and other processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from lamella.scope import TaskScope
from lamella.testing.children import in_children
from lamella.testing.state_values import StateContract, read, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.state import BaseStateBackend

__all__ = ["ProcessContract"]

_THREADS = 6
_REWRITES = 12
_PROCESSES = 3
_ELEMENTS = 20_000

_WRITE = """
import json, sys
from lamella.testing.state_processes import refs_of
print(json.dumps(refs_of(backend)))
"""
_DELETE = """
from lamella.scope import TaskScope
backend.delete(TaskScope("dag", "run", "task"), "deleted")
backend.clear(TaskScope("dag", "run", "task", 3), all_map_indices=False)
"""


def refs_of(backend: BaseStateBackend) -> list[Any]:
    """Write to a few places, and return what the hooks returned."""
    scopes = (StateContract.task, StateContract.asset, TaskScope("dag", "run", "task", 7))
    return [write(backend, scope, key, [key]) for scope in scopes for key in ("key", "\N{SNOWMAN}/..")]


def _elsewhere(source: str, script: str, hash_seed: str) -> str:
    """Run a script on a backend that a new interpreter makes."""
    return subprocess.run(  # noqa: S603 - the suite's own script
        [sys.executable, "-c", f"{source}\n{script}"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


class ProcessContract(StateContract):
    """Concurrency, other instances, forks and pickles."""

    @pytest.mark.parametrize("hash_seed", ["0", "1"])
    def test_every_process_gives_the_same_refs(self, backend: BaseStateBackend, source: str, hash_seed: str) -> None:
        if not self.in_ref:
            assert json.loads(_elsewhere(source, _WRITE, hash_seed)) == refs_of(backend)

    def test_delete_and_clear_in_another_process_find_the_object(self, backend: BaseStateBackend, source: str) -> None:
        if self.shared and not self.in_ref:
            mapped = TaskScope("dag", "run", "task", 3)
            deleted, kept = (write(backend, self.task, key, 1) for key in ("deleted", "kept"))
            cleared = write(backend, mapped, "key", 1)
            _elsewhere(source, _DELETE, "random")
            assert not self.holds(backend, self.task, deleted, 1)
            assert not self.holds(backend, mapped, cleared, 1)
            assert self.holds(backend, self.task, kept, 1)

    def test_second_instance_reads_what_the_first_wrote(
        self, backend: BaseStateBackend, reopen: Callable[[], BaseStateBackend]
    ) -> None:
        if self.shared:
            for scope in (self.task, self.asset):
                stored = write(backend, scope, "key", {"page": 7})
                assert read(reopen(), scope, stored) == {"page": 7}
                if self.keeps_text:
                    backend.set(scope, "text", "text")
                    assert reopen().get(scope, "text") == "text"

    def test_pickled_instance_works(self, backend: BaseStateBackend) -> None:
        if self.picklable:
            stored = write(backend, self.task, "key", {"page": 7})
            again: BaseStateBackend = ForkingPickler.loads(ForkingPickler.dumps(backend))
            assert read(again, self.task, write(again, self.task, "other", [1])) == [1]
            if self.shared:
                assert read(again, self.task, stored) == {"page": 7}

    def test_threads_on_keys_of_their_own_meet_nobody(self, backend: BaseStateBackend) -> None:
        def rewrite(number: int) -> list[Any]:
            scope = TaskScope("dag", "run", "task", number)
            return [read(backend, scope, write(backend, scope, "key", [number, each])) for each in range(_REWRITES)]

        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(rewrite, range(_THREADS)))
        assert found == [[[number, each] for each in range(_REWRITES)] for number in range(_THREADS)]

    def test_threads_on_one_key_read_whole_values_that_were_written(self, backend: BaseStateBackend) -> None:
        barrier = Barrier(_THREADS)

        def rewrite(number: int) -> set[int]:
            barrier.wait()
            seen = set()
            for _ in range(_REWRITES):
                found = read(backend, self.task, write(backend, self.task, "key", [number] * _ELEMENTS))
                assert len(found) == _ELEMENTS
                seen |= set(found)
                assert len(set(found)) == 1
            return seen

        with ThreadPoolExecutor(_THREADS) as pool:
            for seen in pool.map(rewrite, range(_THREADS)):
                assert seen <= set(range(_THREADS))

    def test_clear_beside_writes_leaves_whole_values_or_nothing(self, backend: BaseStateBackend) -> None:
        def rewrite(number: int) -> None:
            for _ in range(_REWRITES):
                try:
                    found = read(backend, self.task, write(backend, self.task, f"key {number}", [number]))
                except self.missing:
                    continue
                assert found == [number]

        with ThreadPoolExecutor(_THREADS) as pool:
            writers = [pool.submit(rewrite, number) for number in range(_THREADS - 1)]
            for _ in range(_REWRITES):
                backend.clear(self.task)
            for writer in writers:
                writer.result()
        assert read(backend, self.task, write(backend, self.task, "key", "after")) == "after"

    def test_forked_child_goes_on_with_the_backend(self, backend: BaseStateBackend) -> None:
        if self.fork_safe:
            stored = write(backend, self.task, "key", "parent")

            def child() -> list[Any]:
                return [
                    read(backend, self.task, stored),
                    read(backend, self.task, write(backend, self.task, "key", "child")),
                ]

            assert in_children(child) == [["parent", "child"]]
            if self.shared and not self.in_ref:
                assert read(backend, self.task, stored) == "child"

    def test_forked_children_write_beside_each_other(self, backend: BaseStateBackend) -> None:
        if self.fork_safe:

            def child(number: int) -> Callable[[], Any]:
                return lambda: [
                    write(backend, self.asset, f"key {number}", [number, each]) for each in range(_REWRITES)
                ][-1]

            refs = in_children(*map(child, range(_PROCESSES)))
            assert all(isinstance(stored, (str, list)) for stored in refs)
            if self.shared:
                assert [read(backend, self.asset, stored) for stored in refs] == [
                    [number, _REWRITES - 1] for number in range(_PROCESSES)
                ]
