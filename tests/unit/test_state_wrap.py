"""Layers around a state backend that exists already."""

from __future__ import annotations

import asyncio
import datetime as dt
from types import SimpleNamespace

import pytest

from lamella.config import open_stack
from lamella.errors import (
    ConfigError,
    IntegrityError,
    LimitExceededError,
    ManifestRefusedError,
    ObjectNotFoundError,
    RefMismatchError,
    StackOrderError,
    StoreError,
)
from lamella.limits import Limits
from lamella.policy import Accept, Policy
from lamella.registry import installed_registry
from lamella.scope import Address
from lamella.state import AssetScope, BaseStateBackend, LayeredStateBackend, TaskScope, open_state_stack, wrap
from lamella.state.inner import BackendStore, unarmoured
from lamella.testing.plain_state_backends import MemoryStateBackend, StubStateBackend
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore

_LAYERS = "zstd | padme | cobblestone256"
_TASK = TaskScope("dag", "run", "task")
_CANARY = "CANARY-VALUE"
_TOMORROW = dt.datetime.now(dt.timezone.utc).date() + dt.timedelta(days=1)
_ADMITTING = Policy(accept=(Accept(strength=0, until=_TOMORROW),))


@pytest.fixture
def inner():
    return MemoryStateBackend()


@pytest.fixture
def backend(inner, keyring):
    return wrap(inner, _LAYERS, keyring)


def _write(backend, value, key="key", ti_id="try-1", scope=_TASK):
    backend.bind(ti_id, scope)
    return backend.serialize_task_state_to_ref(value=value, key=key, ti_id=ti_id)


class _Echo(BaseStateBackend):
    """Leaves the hooks as they are, so that the whole object is its ref."""

    def get(self, *_, **__): ...

    set = delete = clear = get

    async def aget(self, *_, **__): ...

    aset = adelete = aclear = aget


def test_inner_backend_holds_no_value_and_no_text_in_the_clear(backend, inner):
    refs = [_write(backend, [_CANARY]), backend.serialize_asset_state_to_ref(value=_CANARY, key="k", asset_ref="x")]
    backend.set(_TASK, "text", _CANARY)
    assert len(inner.rows) == 3
    assert _CANARY not in "".join([*inner.rows.values(), *refs])
    objects = [unarmoured(text) for text in inner.rows.values()]
    assert all(objects)
    assert _CANARY.encode() not in b"".join(objects)


def test_inner_ref_travels_inside_ours(backend, inner):
    ref = backend.stack.engine.verify(_write(backend, 1))
    assert ref.body.decode() in inner.rows
    assert (ref.alias, ref.place) == ("main", backend.stack.engine.place(Address(_TASK, "key")))


def test_what_the_backend_is_asked_goes_by_scope_with_session_and_time(backend, inner):
    backend.set(_TASK, "key", "text", expires_at=7, session="session")
    assert inner.given == ("session", 7)
    for call in (
        lambda: backend.get(_TASK, "key", session=1),
        lambda: asyncio.run(backend.aget(_TASK, "key", session=1)),
        lambda: backend.delete(_TASK, "key", session=1),
        lambda: asyncio.run(backend.adelete(_TASK, "key", session=1)),
        lambda: backend.clear(_TASK, session=1),
        lambda: asyncio.run(backend.aclear(_TASK, session=1)),
        lambda: asyncio.run(backend.aset(_TASK, "key", "text", session=1)),
    ):
        inner.given = (None, None)
        call()
        assert inner.given == (1, None)


def test_backend_that_takes_no_session_gets_none(keyring):
    class Sessionless(MemoryStateBackend):
        def delete(self, scope, key):
            super().delete(scope, key)

        def clear(self, scope):
            super().clear(scope)

    backend = wrap(Sessionless(), _LAYERS, keyring)
    backend.set(_TASK, "key", "text", session="session")
    backend.delete(_TASK, "key", session="session")
    assert backend.get(_TASK, "key") is None
    backend.clear(_TASK, session="session")
    with pytest.raises(StoreError, match="TypeError"):  # Clearing one map index, where all were meant, is no option.
        backend.clear(_TASK, all_map_indices=True)


def test_objects_are_bound_to_their_place_in_the_inner_backend(backend, inner):
    refs = {key: _write(backend, key, key) for key in ("first", "second")}
    first, second = inner.rows
    inner.rows[first], inner.rows[second] = inner.rows[second], inner.rows[first]
    for ref in refs.values():
        with pytest.raises(IntegrityError):
            backend.deserialize_task_state_from_ref(ref)


def test_lamella_does_not_wrap_itself():
    with pytest.raises(ConfigError, match="is Lamella itself"):
        BackendStore.from_url("backend:lamella.state.LayeredStateBackend", {})


def test_object_that_the_inner_backend_lost_is_named_as_such(backend, inner, monkeypatch):
    ref = _write(backend, 1)
    monkeypatch.setattr(inner, "deserialize_task_state_from_ref", lambda _ref: None)
    with pytest.raises(ObjectNotFoundError):
        backend.deserialize_task_state_from_ref(ref)


def test_moved_text_is_refused(backend, inner):
    backend.set(_TASK, "first", "text")
    backend.set(_TASK, "second", "text")
    first, second = inner.rows
    inner.rows[first] = inner.rows[second]
    with pytest.raises(IntegrityError):
        backend.get(_TASK, "first")


@pytest.mark.parametrize("planted", ['{"page": 7}', '"text"', '"TE1MQQ"', '"TE1MQQ!!"', '""', "7", '"\N{SNOWMAN}"'])
def test_what_is_no_object_is_refused_behind_a_ref_of_ours_whatever_the_policy(inner, keyring, planted):
    backend = wrap(inner, _LAYERS, keyring, policy=_ADMITTING)
    ref = _write(backend, 1)
    inner.rows = dict.fromkeys(inner.rows, planted)
    with pytest.raises(IntegrityError):
        backend.deserialize_task_state_from_ref(ref)


def test_texts_and_refs_from_before_the_wrapping_are_read_where_the_policy_admits_them(inner, keyring):
    inner.bind("try-1", _TASK)
    ref = inner.serialize_task_state_to_ref(value={"page": 7}, key="key", ti_id="try-1")
    inner.set(_TASK, "text", "plain")
    strict = wrap(inner, _LAYERS, keyring)
    for read in (lambda: strict.deserialize_task_state_from_ref(ref), lambda: strict.get(_TASK, "text")):
        with pytest.raises(ManifestRefusedError):
            read()
    admitting = wrap(inner, _LAYERS, keyring, policy=_ADMITTING)
    assert admitting.deserialize_task_state_from_ref(ref) == {"page": 7}
    assert admitting.get(_TASK, "text") == "plain"


def test_both_shapes_go_to_a_backend_of_either(keyring, inner):
    for wrapped in (wrap(inner, _LAYERS, keyring), wrap(StubStateBackend(), _LAYERS, keyring)):
        refs = [
            _write(wrapped, 1, "task"),
            wrapped.serialize_task_state_store_to_ref(value=1, key="task", scope=_TASK),
            wrapped.serialize_task_state_to_ref(value=1, key="task", ti_id="unbound"),
        ]
        assert [wrapped.deserialize_task_state_store_from_ref(ref) for ref in refs] == [1, 1, 1]
        for scope in (AssetScope(name="x"), AssetScope(uri="x"), AssetScope(asset_id=5)):
            ref = wrapped.serialize_asset_state_store_to_ref(value=2, key="key", scope=scope)
            assert wrapped.deserialize_asset_state_from_ref(ref) == 2
            wrapped.delete(scope, "key")


def test_tries_of_a_scope_share_one_object_where_the_host_gives_scopes_and_the_backend_asks_for_tries(backend, inner):
    for value in (1, 2):
        ref = backend.serialize_task_state_store_to_ref(value=value, key="key", scope=_TASK)
    assert len(inner.rows) == 1
    backend.delete(_TASK, "key")
    assert inner.rows == {}
    with pytest.raises(StoreError, match="LookupError"):
        backend.deserialize_task_state_from_ref(ref)


def test_backend_gets_the_scope_that_the_host_handed_in(keyring):
    class Spy(StubStateBackend):
        def serialize_task_state_store_to_ref(self, *, scope, **_):
            self.seen = scope
            return "ref"

    spy, given = Spy(), SimpleNamespace(dag_id="dag", run_id="run", task_id="task")
    wrap(spy, _LAYERS, keyring).serialize_task_state_store_to_ref(value=1, key="key", scope=given)
    assert spy.seen is given


def test_wrapped_backend_may_be_wrapped_again(inner, keyring):
    backend = wrap(wrap(inner, _LAYERS, keyring), "cobblestone256", keyring)
    task, asset = _write(backend, 1), backend.serialize_asset_state_to_ref(value=2, key="key", asset_ref="x")
    backend.set(_TASK, "text", "text")
    assert backend.deserialize_task_state_from_ref(task) == 1
    assert backend.deserialize_asset_state_from_ref(asset) == 2
    assert backend.get(_TASK, "text") == "text"
    backend.delete(AssetScope(uri="x"), "key")
    backend.clear(_TASK)
    assert inner.rows == {}


def test_ref_that_holds_the_object_is_held_to_its_ceiling(keyring):
    backend = wrap(_Echo(), _LAYERS, keyring)
    assert backend.deserialize_task_state_from_ref(_write(backend, "small")) == "small"
    with pytest.raises(LimitExceededError, match="max_inline_bytes"):
        _write(backend, ["large"] * 2**16 + [str(number) for number in range(2**16)])
    roomy = wrap(_Echo(), _LAYERS, keyring, limits=Limits(max_inline_bytes=2**24))
    assert len(roomy.deserialize_task_state_from_ref(_write(roomy, list(range(2**16))))) == 2**16


def test_large_values_and_texts_go_through(backend):
    value = [str(number) for number in range(300_000)]
    assert backend.deserialize_task_state_from_ref(_write(backend, value)) == value
    backend.set(_TASK, "text", "".join(value))
    assert backend.get(_TASK, "text") == "".join(value)


@pytest.mark.parametrize("returned", [None, "", 7, b"ref", "\ud800"])
def test_hook_that_returns_no_ref_is_an_error(keyring, returned):
    class Broken(_Echo):
        def serialize_task_state_to_ref(self, **_):
            return returned

    with pytest.raises(StoreError) as caught:
        _write(wrap(Broken(), _LAYERS, keyring), 1)
    assert caught.value.locator.startswith("o1/")


def test_error_of_the_inner_backend_is_named_by_its_kind_alone(keyring):
    class Leaky(_Echo):
        def get(self, *_, **__):
            raise RuntimeError(_CANARY)

    with pytest.raises(StoreError, match="RuntimeError") as caught:
        wrap(Leaky(), _LAYERS, keyring).get(_TASK, "key")
    assert _CANARY not in str(caught.value)


@pytest.mark.parametrize("layers", ["cobblestone256 | chunk", "chunk | cobblestone256", "chunk"])
def test_layer_that_splits_is_refused_when_built(inner, keyring, layers, keyring_file):
    said = "chunk makes parts, but the store 'backend' takes each value whole, as one object with one ref; remove chunk"
    with pytest.raises(StackOrderError, match=said):
        wrap(inner, layers, keyring, policy=Policy(allow_plaintext=True))
    chain = f"{layers} | backend:lamella.testing.plain_state_backends.MemoryStateBackend"
    settings = {"keyring": f"file:{keyring_file}", "policy.allow_plaintext": True}
    with pytest.raises(StackOrderError, match=said):
        open_state_stack(chain, environ={}, settings=settings)


@pytest.mark.parametrize("wrong", [None, object(), {}, MemoryStore()])
def test_what_is_no_backend_is_not_wrapped(keyring, wrong):
    with pytest.raises(ConfigError, match="the backend to wrap is no state backend: it lacks"):
        wrap(wrong, _LAYERS, keyring)


def test_class_in_the_place_of_a_backend_is_not_wrapped(keyring):
    with pytest.raises(ConfigError, match="is the class MemoryStateBackend; make one of it"):
        wrap(MemoryStateBackend, _LAYERS, keyring)


def test_layers_may_be_objects_and_must_seal(inner, keyring):
    layers = [installed_registry().layer(name)() for name in ("padme", "cobblestone256")]
    backend = wrap(inner, layers, keyring)
    assert backend.deserialize_task_state_from_ref(_write(backend, 1)) == 1
    with pytest.raises(ConfigError, match="no layer that encrypts"):
        wrap(inner, "zstd", keyring)


def test_stack_of_a_wrapped_backend_is_not_opened_without_it(keyring_file):
    chain = "cobblestone256 | backend:lamella.testing.plain_state_backends.MemoryStateBackend"
    with pytest.raises(ConfigError, match="LayeredStateBackend"):
        open_stack(chain, environ={}, settings={"keyring": f"file:{keyring_file}"})


def test_backend_beside_another_store_reads_and_erases_both(build, inner):
    store = MemoryStore()
    before = LayeredStateBackend(build(_LAYERS, store, alias="old"))
    ref = _write(before, "old")
    before.set(_TASK, "text", "old")
    backend = LayeredStateBackend(build(_LAYERS, BackendStore(inner), others={"old": store}))
    assert backend.deserialize_task_state_from_ref(ref) == "old"
    assert backend.get(_TASK, "text") == "old"
    backend.set(_TASK, "text", "new")
    assert backend.get(_TASK, "text") == "new"
    backend.clear(_TASK)
    assert (list(store.list("o1/")), inner.rows) == ([], {})


def test_left_backend_beside_today_s_store_reads_and_erases_both(build, inner):
    before = LayeredStateBackend(build(_LAYERS, BackendStore(inner), alias="old"))
    ref = _write(before, "old")
    before.set(_TASK, "text", "old")
    backend = LayeredStateBackend(build(_LAYERS, others={"old": BackendStore(inner)}))
    assert backend.deserialize_task_state_from_ref(ref) == "old"
    assert backend.get(_TASK, "text") == "old"
    backend.set(_TASK, "text", "new")
    assert backend.get(_TASK, "text") == "new"
    backend.delete(_TASK, "text")
    assert backend.get(_TASK, "text") is None


def test_ref_that_holds_the_object_is_named_where_its_alias_became_a_backend_s(build, inner):
    ref = _write(LayeredStateBackend(build(_LAYERS, InlineStore())), 1)
    backend = LayeredStateBackend(build(_LAYERS, BackendStore(inner)))
    with pytest.raises(ManifestRefusedError, match="names a wrapped backend now"):
        backend.deserialize_task_state_from_ref(ref)
    moved = LayeredStateBackend(build(_LAYERS, BackendStore(inner), alias="new", others={"main": InlineStore()}))
    assert moved.deserialize_task_state_from_ref(ref) == 1


def test_ref_of_the_other_kind_is_refused_before_the_inner_backend_is_asked(backend, inner):
    ref = _write(backend, 1)
    inner.rows = None
    with pytest.raises(RefMismatchError):
        backend.deserialize_asset_state_from_ref(ref)


def test_stack_alone_does_not_reach_the_inner_backend(inner):
    store = BackendStore(inner)
    for call in (
        lambda: store.put("o1/a", ()),
        lambda: store.get("o1/a"),
        lambda: store.delete("o1/a"),
        lambda: store.list("o1/"),
    ):
        with pytest.raises(StoreError, match="LayeredStateBackend"):
            call()
