"""What a state backend promises of scopes and keys: names that differ are different places, and a delete finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lamella.scope import AssetScope, TaskScope
from lamella.testing.state_values import StateContract, read, write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamella.state import BaseStateBackend, StateScope

__all__ = ["PlaceContract"]

_KEYS = (
    "a",
    "A",
    "ab",
    "a/b",
    "a/b/",
    "/a",
    "a//b",
    "a\\b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a ",
    " a",
    "a\n",
    "a\0b",
    "a%2Fb",
    "a%",
    "a*",
    "a?b=c",
    "a:b",
    "-1",
    "null",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{SNOWMAN}",
    "\N{PILE OF POO}",
    "a.gz",
    "a.json",
    "k" * 512,
    "k" * 511 + "l",
    "\N{PILE OF POO}" * 512,
)
_SCOPES: tuple[StateScope, ...] = (
    TaskScope("a", "run", "task"),
    TaskScope("ab", "run", "task"),
    TaskScope("A", "run", "task"),
    TaskScope("a", "runs", "task"),
    TaskScope("a", "run", "task", 0),
    TaskScope("a", "run", "task", 1),
    TaskScope("a", "run", "task", 11),
    TaskScope("a", "run", "task/1"),
    TaskScope("a/run", "task", "task"),
    TaskScope("a", "run/task", "task"),
    TaskScope("..", "run", "task"),
    TaskScope("assets", "a", "b"),
    TaskScope("a", "manual__2026-11-22T00:00:00+00:00", "group.task"),
    AssetScope(name="a"),
    AssetScope(name="ab"),
    AssetScope(name="a/b"),
    AssetScope(name=".."),
    AssetScope(name="5"),
    AssetScope(uri="s3://bucket/a"),
    AssetScope(uri="s3://bucket/a/b"),
    AssetScope(name="n" * 1500),
)


class PlaceContract(StateContract):
    """Scopes, keys, delete and clear."""

    def _write_all(self, backend: BaseStateBackend, places: Iterable[tuple[StateScope, str]]) -> list[Any]:
        """Write to each place what names it, and return what the hooks returned."""
        return [write(backend, scope, key, [repr(scope), key]) for scope, key in places]

    def _held(self, backend: BaseStateBackend, places: list[tuple[StateScope, str]], refs: list[Any]) -> list[bool]:
        """Tell of each place whether what was written there still is."""
        return [
            self.holds(backend, scope, stored, [repr(scope), key])
            for (scope, key), stored in zip(places, refs, strict=True)
        ]

    def test_keys_that_differ_hold_different_values(self, backend: BaseStateBackend) -> None:
        places: list[tuple[StateScope, str]] = [(scope, key) for scope in (self.task, self.asset) for key in _KEYS]
        refs = self._write_all(backend, places)
        assert all(self._held(backend, places, refs))

    def test_scopes_that_differ_hold_different_values(self, backend: BaseStateBackend) -> None:
        places = [(scope, "key") for scope in _SCOPES]
        refs = self._write_all(backend, places)
        assert all(self._held(backend, places, refs))

    def test_keys_and_scopes_that_differ_hold_different_texts(self, backend: BaseStateBackend) -> None:
        if self.keeps_text:
            places = [*((scope, "key") for scope in _SCOPES), *((self.task, key) for key in _KEYS)]
            for scope, key in places:
                backend.set(scope, key, f"{scope} {key}")
            assert [backend.get(scope, key) for scope, key in places] == [f"{scope} {key}" for scope, key in places]

    def test_name_uri_and_id_of_an_asset_are_different_places(self, backend: BaseStateBackend) -> None:
        if self.keeps_text:
            scopes = (AssetScope(name="5"), AssetScope(uri="5"), AssetScope(asset_id=5))
            for scope in scopes:
                backend.set(scope, "key", repr(scope))
            assert [backend.get(scope, "key") for scope in scopes] == [repr(scope) for scope in scopes]
            backend.delete(scopes[0], "key")
            assert [backend.get(scope, "key") for scope in scopes] == [None, *map(repr, scopes[1:])]

    @pytest.mark.parametrize("key", _KEYS, ids=range(len(_KEYS)))
    def test_deleted_key_is_gone_and_no_other(self, backend: BaseStateBackend, key: str) -> None:
        if not self.in_ref:
            places: list[tuple[StateScope, str]] = [
                (scope, each) for scope in (self.task, self.asset) for each in _KEYS
            ]
            refs = self._write_all(backend, places)
            backend.delete(self.task, key)
            assert self._held(backend, places, refs) == [place != (self.task, key) for place in places]

    def test_deleted_asset_is_gone_whether_its_ref_was_a_name_or_a_uri(self, backend: BaseStateBackend) -> None:
        if not self.in_ref:
            for scope in (AssetScope(name="x"), AssetScope(uri="x")):
                stored = write(backend, scope, "key", 1)
                assert self.holds(backend, scope, stored, 1)
                backend.delete(scope, "key")
                assert not self.holds(backend, scope, stored, 1)

    def test_delete_on_a_later_try_finds_what_an_earlier_one_wrote(self, backend: BaseStateBackend) -> None:
        if not self.in_ref:
            stored = write(backend, self.task, "key", 1, attempt=1)
            write(backend, self.task, "other", 2, attempt=2)
            backend.delete(self.task, "key")
            assert not self.holds(backend, self.task, stored, 1)

    def test_deleted_text_is_gone(self, backend: BaseStateBackend) -> None:
        if self.keeps_text:
            backend.set(self.task, "key", "text")
            backend.set(self.task, "other", "text")
            backend.delete(self.task, "key")
            assert (backend.get(self.task, "key"), backend.get(self.task, "other")) == (None, "text")

    def test_delete_and_clear_of_nothing_are_no_errors(self, backend: BaseStateBackend) -> None:
        for scope in (*_SCOPES, AssetScope(asset_id=5)):
            backend.delete(scope, "key")
            backend.clear(scope)
            backend.clear(scope, all_map_indices=True)

    def test_written_again_after_a_delete_it_is_there(self, backend: BaseStateBackend) -> None:
        for scope in (self.task, self.asset):
            write(backend, scope, "key", 1)
            backend.delete(scope, "key")
            assert read(backend, scope, write(backend, scope, "key", 2)) == 2

    @pytest.mark.parametrize("scope", _SCOPES, ids=range(len(_SCOPES)))
    def test_clear_takes_every_key_of_its_scope_and_no_other(
        self, backend: BaseStateBackend, scope: StateScope
    ) -> None:
        if not self.in_ref:
            places = [(each, key) for each in _SCOPES for key in ("key", "key/../other", "..")]
            refs = self._write_all(backend, places)
            backend.clear(scope)
            assert self._held(backend, places, refs) == [each != scope for each, _ in places]

    def test_clear_of_all_map_indices_takes_those_of_its_task_and_no_other(self, backend: BaseStateBackend) -> None:
        if not self.in_ref:
            places = [(each, "key") for each in _SCOPES]
            refs = self._write_all(backend, places)
            backend.clear(TaskScope("a", "run", "task", 1), all_map_indices=True)
            gone = {TaskScope("a", "run", "task", index) for index in (-1, 0, 1, 11)}
            assert self._held(backend, places, refs) == [each not in gone for each, _ in places]
