"""What a layered state backend does beyond the contract of every state backend."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import json
import threading
import uuid
from multiprocessing.reduction import ForkingPickler
from types import SimpleNamespace

import pytest

from lamella.errors import (
    AddressError,
    ConfigError,
    InvalidValueError,
    MalformedRefError,
    ManifestRefusedError,
    ObjectNotFoundError,
    RefMismatchError,
    RefTagError,
    UnsupportedRefVersionError,
)
from lamella.policy import Accept, Policy
from lamella.scope import Address
from lamella.state import AssetScope, BaseStateBackend, LayeredStateBackend, TaskScope
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore

_SEALED = "zstd | padme | cobblestone256 | chunk"
_TASK = TaskScope("dag", "run", "task")
_TOMORROW = dt.datetime.now(dt.timezone.utc).date() + dt.timedelta(days=1)


@pytest.fixture
def backend(build):
    return LayeredStateBackend(build(_SEALED))


def _write(backend, value=1, key="key", ti_id="try-1", scope=_TASK):
    backend.bind(ti_id, scope)
    return backend.serialize_task_state_to_ref(value=value, key=key, ti_id=ti_id)


def _keys_of(stack):
    return sum(1 for _ in stack.engine.store.list("o1/"))


def test_abstract_methods_are_exactly_the_eight():
    eight = {"get", "set", "delete", "clear", "aget", "aset", "adelete", "aclear"}
    assert BaseStateBackend.__abstractmethods__ == eight
    assert LayeredStateBackend.__abstractmethods__ == frozenset()
    assert {name for name in eight if inspect.iscoroutinefunction(getattr(BaseStateBackend, name))} == {
        name for name in eight if name.startswith("a")
    }


def test_hooks_of_the_contract_are_the_identity_and_cleanup_does_nothing():
    class Least(BaseStateBackend):
        get = set = delete = clear = aget = aset = adelete = aclear = None

    value = {"page": 7}
    assert Least().serialize_task_state_to_ref(value=value, key="key", ti_id="try-1") is value
    assert Least().deserialize_task_state_from_ref(value) is value
    assert Least().serialize_asset_state_to_ref(value=value, key="key", asset_ref="asset") is value
    assert Least().deserialize_asset_state_from_ref(value) is value
    assert Least().cleanup() is None


def test_asset_scope_without_identity_is_refused_in_the_words_of_the_contract():
    with pytest.raises(ValueError, match=r"^AssetScope requires at least one of: asset_id, name, or uri$"):
        AssetScope()


def test_both_shapes_of_the_hooks_give_one_ref_and_read_each_other(backend):
    named = _write(backend, {"page": 7})
    scoped = backend.serialize_task_state_store_to_ref(value={"page": 8}, key="key", scope=_TASK)
    assert named == scoped
    assert backend.deserialize_task_state_from_ref(scoped) == {"page": 8}
    assert backend.deserialize_task_state_store_from_ref(named) == {"page": 8}


def test_get_returns_the_json_text_of_what_a_hook_wrote(backend):
    _write(backend, {"page": 7, "done": None})
    assert json.loads(backend.get(_TASK, "key")) == {"page": 7, "done": None}
    backend.serialize_asset_state_to_ref(value=[1], key="key", asset_ref="x")
    assert [backend.get(scope, "key") for scope in (AssetScope(name="x"), AssetScope(uri="x"))] == ["[1]", "[1]"]


def test_own_scope_of_an_asset_comes_before_its_asset_ref(backend):
    ref = backend.serialize_asset_state_to_ref(value="by ref", key="key", asset_ref="x")
    backend.set(AssetScope(name="x"), "key", "by name")
    assert backend.get(AssetScope(name="x"), "key") == "by name"
    assert backend.get(AssetScope(uri="x"), "key") == '"by ref"'
    assert backend.deserialize_asset_state_from_ref(ref) == "by ref"


@pytest.mark.parametrize("scope", [AssetScope(name="x"), AssetScope(uri="x"), AssetScope(name="y", uri="x")])
@pytest.mark.parametrize("erase", ["delete", "clear"])
def test_asset_ref_is_erased_by_name_and_by_uri(backend, scope, erase):
    ref = backend.serialize_asset_state_to_ref(value=1, key="key", asset_ref="x")
    backend.delete(scope, "key") if erase == "delete" else backend.clear(scope)
    with pytest.raises(ObjectNotFoundError):
        backend.deserialize_asset_state_from_ref(ref)


def test_unbound_ti_id_is_a_scope_of_its_own_that_can_be_named(backend):
    refs = [backend.serialize_task_state_to_ref(value=each, key="key", ti_id=each) for each in ("try-1", "try-2")]
    assert [backend.deserialize_task_state_from_ref(ref) for ref in refs] == ["try-1", "try-2"]
    backend.delete(TaskScope("", "", "try-1"), "key")
    with pytest.raises(ObjectNotFoundError):
        backend.deserialize_task_state_from_ref(refs[0])
    assert backend.deserialize_task_state_from_ref(refs[1]) == "try-2"


def test_ti_id_may_be_a_uuid(backend):
    ti_id = uuid.UUID(int=1)
    backend.bind(ti_id, _TASK)
    ref = backend.serialize_task_state_to_ref(value=1, key="key", ti_id=ti_id)
    assert ref == _write(backend, 2, ti_id="try-1")


def test_backend_remembers_a_bounded_number_of_tries_and_the_latest_of_them(backend):
    for number in range(5000):
        backend.bind(f"try-{number}", _TASK)
    assert len(backend._bound) == 4096
    assert _write(backend) == backend.serialize_task_state_to_ref(value=1, key="key", ti_id="try-4999")
    assert _write(backend) != backend.serialize_task_state_to_ref(value=1, key="key", ti_id="try-0")


def test_hook_refuses_a_ref_of_the_other_kind(backend):
    task = _write(backend)
    asset = backend.serialize_asset_state_to_ref(value=1, key="key", asset_ref="x")
    for read, ref in (
        (backend.deserialize_asset_state_from_ref, task),
        (backend.deserialize_asset_state_store_from_ref, task),
        (backend.deserialize_task_state_from_ref, asset),
        (backend.deserialize_task_state_store_from_ref, asset),
    ):
        with pytest.raises(RefMismatchError):
            read(ref)


@pytest.mark.parametrize("stored", ["lamella:", "lamella:1:00000000:main", "lamella:1:"])
def test_what_looks_like_a_ref_is_never_taken_for_plain_text(build, stored):
    backend = LayeredStateBackend(build("zstd"))
    with pytest.raises((MalformedRefError, UnsupportedRefVersionError)):
        backend.deserialize_task_state_from_ref(stored)


def test_altered_ref_is_refused(backend):
    ref = _write(backend)
    with pytest.raises(RefTagError):
        backend.deserialize_task_state_from_ref(ref.replace("cobblestone256.1+", ""))


_PLAIN = ['{"page": 7}', "[]", "null", "7"]


@pytest.mark.parametrize("stored", _PLAIN)
def test_plain_text_is_refused_where_the_policy_requires_a_seal(build, stored):
    backend = LayeredStateBackend(build(_SEALED, policy=Policy(allow_plaintext=True)))
    for read in (
        backend.deserialize_task_state_from_ref,
        backend.deserialize_asset_state_from_ref,
        backend.deserialize_task_state_store_from_ref,
        backend.deserialize_asset_state_store_from_ref,
    ):
        with pytest.raises(ManifestRefusedError, match="is no ref of Lamella"):
            read(stored)


def test_ref_that_was_padded_or_kept_as_bytes_is_refused_as_no_ref(backend):
    ref = _write(backend)
    for stored in (f" {ref}", f"\ufeff{ref}", ref[1:], ref.encode()):
        with pytest.raises(ManifestRefusedError, match="or one that was altered: restore the row"):
            backend.deserialize_task_state_from_ref(stored)


@pytest.mark.parametrize("stored", _PLAIN)
def test_plain_text_is_read_as_each_shape_reads_it_where_the_policy_admits_it(build, stored):
    policy = Policy(accept=(Accept(strength=0, until=_TOMORROW),))
    for stack in (build(_SEALED, policy=policy), build("zstd")):
        backend = LayeredStateBackend(stack)
        assert backend.deserialize_task_state_from_ref(stored) == stored
        assert backend.deserialize_asset_state_from_ref(json.loads(stored)) == json.loads(stored)
        assert backend.deserialize_task_state_store_from_ref(stored) == json.loads(stored)


@pytest.mark.parametrize("stored", ["no JSON", "", "\ud800", "NaN", {"page": 7}, None])
def test_admitted_text_that_is_no_json_is_refused(build, stored):
    with pytest.raises(InvalidValueError, match="write the value again"):
        LayeredStateBackend(build("zstd")).deserialize_task_state_store_from_ref(stored)


def test_hook_says_so_when_a_text_replaced_its_value(backend):
    ref = _write(backend)
    backend.set(_TASK, "key", "text")
    with pytest.raises(InvalidValueError, match="read it with `get`"):
        backend.deserialize_task_state_from_ref(ref)
    _write(backend, 2)
    assert backend.get(_TASK, "key") == "2"


@pytest.mark.parametrize("text", [7, None, b"bytes", "\ud800"])
def test_what_is_no_text_is_refused_by_set(backend, text):
    with pytest.raises(InvalidValueError):
        backend.set(_TASK, "key", text)
    assert _keys_of(backend.stack) == 0


def test_inline_store_has_no_place_for_texts(build):
    backend = LayeredStateBackend(build("cobblestone256", InlineStore()))
    for call in (lambda: backend.set(_TASK, "key", "text"), lambda: backend.get(_TASK, "key")):
        with pytest.raises(ConfigError, match="inline"):
            call()


def test_text_of_an_earlier_store_is_found_and_deleted_there(build):
    old, new = MemoryStore(), MemoryStore()
    LayeredStateBackend(build(_SEALED, old, alias="old")).set(_TASK, "key", "old")
    backend = LayeredStateBackend(build(_SEALED, new, others={"old": old}))
    assert backend.get(_TASK, "key") == "old"
    backend.set(_TASK, "key", "new")
    assert backend.get(_TASK, "key") == "new"
    backend.delete(_TASK, "key")
    assert backend.get(_TASK, "key") is None


def test_expected_ref_is_of_its_row(backend):
    backend.bind("try-1", _TASK)
    task = _write(backend)
    backend.expect(task, key="key", ti_id="try-1")
    backend.expect("plain text, which has no address", key="key", ti_id="try-1")
    asset = backend.serialize_asset_state_to_ref(value=1, key="key", asset_ref="x")
    backend.expect(asset, key="key", asset_ref="x")
    own = backend.serialize_asset_state_store_to_ref(value=1, key="key", scope=AssetScope(name="x"))
    for stored in (own, asset):
        backend.expect(stored, key="key", scope=AssetScope(name="x"))
    for stored, row in (
        (task, {"key": "other", "ti_id": "try-1"}),
        (task, {"key": "key", "ti_id": "unbound"}),
        (task, {"key": "key", "asset_ref": "x"}),
        (asset, {"key": "key", "asset_ref": "y"}),
        (own, {"key": "key", "scope": AssetScope(uri="x")}),
        (own, {"key": "other", "scope": AssetScope(name="x")}),
    ):
        with pytest.raises(RefMismatchError, match="row"):
            backend.expect(stored, **row)


def _task_like(**fields):
    return SimpleNamespace(**{"dag_id": "dag", "run_id": "run", "task_id": "task", **fields})


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (_task_like(), _TASK),
        (_task_like(map_index=3), TaskScope("dag", "run", "task", 3)),
        (_task_like(map_index=3, region_id=uuid.UUID(int=0), region_index=2), TaskScope("dag", "run", "task", 3)),
        (_task_like(region_id=None, region_index=2), _TASK),
        (
            _task_like(map_index=3, region_id=uuid.UUID(int=5), region_index=2),
            TaskScope("dag", "run", "task", 2, region_id=str(uuid.UUID(int=5))),
        ),
        (SimpleNamespace(name="x"), AssetScope(name="x")),
        (SimpleNamespace(asset_id=None, name=None, uri="x"), AssetScope(uri="x")),
        (SimpleNamespace(asset_id=5), AssetScope(asset_id=5)),
        (SimpleNamespace(name="", uri="x"), AssetScope(uri="x")),
        (SimpleNamespace(name="", asset_id=5), AssetScope(asset_id=5)),
        (SimpleNamespace(name=""), AssetScope(name="")),
        (AssetScope(name="", uri="x"), AssetScope(name="", uri="x")),
    ],
    ids=range(12),
)
def test_scopes_of_a_host_are_read_by_their_attributes(backend, given, same):
    backend.set(given, "key", "text")
    assert backend.get(same, "key") == "text"
    backend.delete(given, "key")
    assert backend.get(same, "key") is None


def test_regions_of_one_task_do_not_meet(backend):
    scopes = [_task_like(region_id=uuid.UUID(int=number), region_index=0) for number in range(3)]
    for scope in scopes:
        backend.set(scope, "key", str(scope.region_id))
    backend.clear(scopes[1], all_map_indices=True)
    assert [backend.get(scope, "key") is None for scope in scopes] == [False, True, False]


@pytest.mark.parametrize("given", [None, "dag/run/task", SimpleNamespace(), 7])
def test_what_has_no_attributes_of_a_scope_is_refused(backend, given):
    with pytest.raises(AddressError, match="a scope is a task's or an asset's"):
        backend.get(given, "key")


@pytest.mark.parametrize("given", [SimpleNamespace(dag_id="dag"), SimpleNamespace(dag_id="dag", task_id="task")])
def test_half_a_scope_of_a_task_is_refused(backend, given):
    with pytest.raises(AddressError, match="lacks some"):
        backend.get(given, "key")


@pytest.mark.parametrize("asset_ref", [None, 7, b"x"])
def test_asset_ref_that_is_no_text_is_refused(backend, asset_ref):
    with pytest.raises(AddressError):
        backend.serialize_asset_state_to_ref(value=1, key="key", asset_ref=asset_ref)


def test_backend_is_made_without_its_stack_and_opens_it_once(build):
    opened = []

    def open_one():
        opened.append(build(_SEALED))
        return opened[-1]

    backend = LayeredStateBackend(open_one)
    backend.bind("try-1", _TASK)
    assert opened == []
    assert backend.deserialize_task_state_from_ref(_write(backend, 7)) == 7
    assert opened == [backend.stack]


def test_backend_around_a_stack_is_not_pickled(backend):
    with pytest.raises(TypeError, match="holds keys"):
        ForkingPickler.dumps(backend)


class _HeldStore(MemoryStore):
    """A store that answers only when it is let go."""

    def __init__(self):
        super().__init__()
        self.asked = threading.Event()
        self.go = threading.Event()
        self.waited = []

    def _wait(self):
        self.asked.set()
        self.waited.append(self.go.wait(60))

    def put(self, *args, **options):
        self._wait()
        return super().put(*args, **options)

    def get(self, *args, **options):
        self._wait()
        return super().get(*args, **options)

    def delete(self, *args, **options):
        self._wait()
        return super().delete(*args, **options)

    def list(self, *args, **options):
        self._wait()
        return super().list(*args, **options)


@pytest.mark.parametrize("name", ["aset", "aget", "adelete", "aclear"])
def test_loop_goes_on_while_a_store_is_slow(build, name):
    store = _HeldStore()
    backend = LayeredStateBackend(build(_SEALED, store))
    arguments = {"aset": ("key", "text"), "aclear": ()}.get(name, ("key",))

    async def beat():
        """Let the store go from the loop, which it could not do if the twin held it."""
        call = asyncio.ensure_future(getattr(backend, name)(_TASK, *arguments))
        assert await asyncio.to_thread(store.asked.wait, 60)
        assert not call.done()
        store.go.set()
        return await call

    asyncio.run(beat())
    assert store.waited
    assert all(store.waited)


def test_address_that_cannot_be_one_is_refused_before_anything_is_stored(backend):
    for key in ("k" * 5000, "\ud800", 7):
        with pytest.raises(AddressError):
            _write(backend, key=key)
        with pytest.raises(AddressError):
            backend.set(_TASK, key, "text")
    assert _keys_of(backend.stack) == 0


def test_refs_of_the_backend_are_those_of_its_stack(backend):
    assert _write(backend, 7) == backend.stack.put(Address(_TASK, "key"), 7)
