"""The contract of state backends fails for backends that break it, and holds for one that keeps it."""

from __future__ import annotations

import inspect
import json
import os
import threading

import pytest

from lamella.scope import TaskScope
from lamella.testing import StateBackendContract
from lamella.testing.plain_state_backends import MemoryStateBackend


class _Contract(StateBackendContract):
    shared = False


class Sorting(MemoryStateBackend):
    def _put(self, place, text):
        super()._put(place, json.dumps(json.loads(text), sort_keys=True))


class Rounding(MemoryStateBackend):
    def deserialize_task_state_from_ref(self, stored):
        return int(super().deserialize_task_state_from_ref(stored))


class Cutting(MemoryStateBackend):
    def set(self, scope, key, value, **options):
        super().set(scope, key, value.strip(), **options)


class Wrapping(MemoryStateBackend):
    def serialize_task_state_to_ref(self, **given):
        return super().serialize_task_state_to_ref(**given).encode()


class Unrepeatable(MemoryStateBackend):
    def serialize_task_state_to_ref(self, *, value, key, ti_id):
        return super().serialize_task_state_to_ref(value=value, key=f"{key} {os.urandom(4).hex()}", ti_id=ti_id)


class ByTry(MemoryStateBackend):
    def bind(self, ti_id, scope):
        del scope
        super().bind(ti_id, TaskScope("", "", ti_id))


class Folding(MemoryStateBackend):
    def serialize_task_state_to_ref(self, *, value, key, ti_id):
        return super().serialize_task_state_to_ref(value=value, key=key.lower(), ti_id=ti_id)


class Joining(MemoryStateBackend):
    def bind(self, ti_id, scope):
        joined = f"{scope.dag_id}/{scope.run_id}/{scope.task_id}"
        super().bind(ti_id, TaskScope(joined, "", "", scope.map_index))


class Keeping(MemoryStateBackend):
    def _remove(self, place):
        self.kept = place


class Grasping(MemoryStateBackend):
    def _remove_below(self, prefix):
        super()._remove_below(prefix.rstrip("/"))


class Sparing(MemoryStateBackend):
    def clear(self, scope, *, all_map_indices=False, session=None):
        del all_map_indices
        super().clear(scope, session=session)


class Forgetful(MemoryStateBackend):
    async def aset(self, scope, key, value, **options): ...


class Strict(MemoryStateBackend):
    def set(self, scope, key, value):
        super().set(scope, key, value)


class Locked(MemoryStateBackend):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class Hurried(MemoryStateBackend):
    """Has one place for what is being written: its first writer puts what its second one began to."""

    def __init__(self):
        super().__init__()
        self.first, self.second = threading.Lock(), threading.Event()

    def _put(self, place, text):
        self.text = text
        if self.first.acquire(blocking=False):
            assert self.second.wait(60)
            super()._put(place, self.text)
        else:
            self.second.set()
            super()._put(place, text)


class Torn(MemoryStateBackend):
    def _find(self, place):
        found = super()._find(place)
        return found and f"{found[: len(found) // 2]}0{found[len(found) // 2 + 1 :]}"


class Cleaning(MemoryStateBackend):
    def cleanup(self):
        self.rows.clear()


class Raising(MemoryStateBackend):
    def _remove(self, place):
        del self.rows[place]


BROKEN = [
    (Sorting, "test_value_comes_back_with_its_types", {"name": "order of names"}),
    (Rounding, "test_value_comes_back_with_its_types", {"name": "one as a float"}),
    (Cutting, "test_text_comes_back_verbatim", {"text": " "}),
    (Wrapping, "test_database_can_hold_what_a_write_hook_returns", {}),
    (Unrepeatable, "test_same_scope_and_key_give_the_same_ref_on_every_try", {}),
    (ByTry, "test_same_scope_and_key_give_the_same_ref_on_every_try", {}),
    (ByTry, "test_delete_on_a_later_try_finds_what_an_earlier_one_wrote", {}),
    (Folding, "test_keys_that_differ_hold_different_values", {}),
    (Joining, "test_scopes_that_differ_hold_different_values", {}),
    (Keeping, "test_deleted_key_is_gone_and_no_other", {"key": "a"}),
    (Keeping, "test_deleted_asset_is_gone_whether_its_ref_was_a_name_or_a_uri", {}),
    (Keeping, "test_deleted_text_is_gone", {}),
    (Raising, "test_delete_and_clear_of_nothing_are_no_errors", {}),
    (Grasping, "test_clear_takes_every_key_of_its_scope_and_no_other", {"scope": TaskScope("a", "run", "task", 1)}),
    (Sparing, "test_clear_of_all_map_indices_takes_those_of_its_task_and_no_other", {}),
    (Forgetful, "test_async_twins_do_what_the_others_do", {}),
    (Strict, "test_set_takes_a_time_and_a_session_and_get_takes_a_session", {}),
    (Locked, "test_pickled_instance_works", {}),
    (Torn, "test_forked_child_goes_on_with_the_backend", {}),
    (Cleaning, "test_cleanup_leaves_what_has_no_end", {}),
    (Hurried, "test_threads_on_keys_of_their_own_meet_nobody", {}),
]


@pytest.mark.parametrize(("broken", "claim", "arguments"), BROKEN, ids=lambda each: getattr(each, "__name__", None))
def test_backend_that_breaks_a_claim_fails_it(broken, claim, arguments):
    with pytest.raises((AssertionError, TypeError, KeyError, LookupError)):
        getattr(_Contract(), claim)(broken(), **arguments)


@pytest.mark.parametrize("claim", sorted({claim for _, claim, _ in BROKEN}))
def test_backend_that_keeps_the_contract_keeps_every_such_claim(claim):
    arguments = next(arguments for _, other, arguments in BROKEN if other == claim)
    getattr(_Contract(), claim)(MemoryStateBackend(), **arguments)


class Seeded(MemoryStateBackend):
    def serialize_task_state_to_ref(self, *, value, key, ti_id):
        return super().serialize_task_state_to_ref(value=value, key=str(hash(key)), ti_id=ti_id)


def _keeps_its_refs(hash_seed):
    source = f"from {MemoryStateBackend.__module__} import *\n{inspect.getsource(Seeded)}\nbackend = Seeded()"
    try:
        _Contract().test_every_process_gives_the_same_refs(Seeded(), source, hash_seed)
    except AssertionError:
        return False
    return True


def test_refs_that_depend_on_the_hash_seed_are_found_out():
    assert not all(map(_keeps_its_refs, ("0", "1")))
