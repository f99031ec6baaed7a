"""What a state backend promises of values and texts: what goes in comes back, of the same types."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from lamella.errors import LamellaError
from lamella.scope import AssetScope, TaskScope

if TYPE_CHECKING:
    from lamella.state import BaseStateBackend, StateScope

__all__ = ["StateContract", "ValueContract", "read", "write"]

_DEEP = 200


def _deep(make: Any) -> Any:  # noqa: ANN401 - lists or objects
    value: Any = "the innermost"
    for _ in range(_DEEP):
        value = make(value)
    return value


_VALUES: dict[str, Any] = {
    "zero": 0,
    "one as a float": 1.0,
    "true": True,
    "false": False,
    "minus zero": -0.0,
    "small float": 5e-324,
    "large float": 1.7976931348623157e308,
    "long fraction": 0.1 + 0.2,
    "integer of 64 bits": 2**64 - 1,
    "integer of 400 bits": -(2**400),
    "empty text": "",
    "text like JSON": '{"a": 1}',
    "text like a number": "12",
    "text like a ref": "lamella:1:deadbeef:main:zstd.1:task:",
    "text like a host's envelope": {"__airflow_state_ref__": "lamella:1:"},
    "control characters": "\0\x1f\x7f\u2028\ufeff",
    "emoji": "\N{PILE OF POO}\u0301\N{ZERO WIDTH JOINER}",
    "long text": "n\u00e4chste Seite " * 20_000,
    "empty list": [],
    "empty object": {},
    "list of all types": [None, True, 1, 1.5, "", [], {}],
    "order of names": {"b": 1, "a": 2, "": 3, "B": 4},
    "odd names": {"\0": 1, "a.b/c": 2, "\N{SNOWMAN}": 3, " ": 4},
    "deep list": _deep(lambda inner: [inner]),
    "deep object": _deep(lambda inner: {"in": inner}),
    "many numbers": list(range(50_000)),
}
_TEXTS = (
    "",
    " ",
    "no JSON",
    '{"a":',
    '"',
    "null",
    "\0",
    "lamella:1:",
    "\N{SNOWMAN} ",
    "line\r\nline\n",
    "long " * 30_000,
)


def write(backend: BaseStateBackend, scope: StateScope, key: str, value: Any, attempt: int = 1) -> Any:  # noqa: ANN401 - JSON
    """Write as a worker does: a hook gets the id of the try, which is told to a backend that asks whose it is."""
    if isinstance(scope, AssetScope):
        asset_ref = str(scope.uri if scope.name is None else scope.name)
        return backend.serialize_asset_state_to_ref(value=value, key=key, asset_ref=asset_ref)
    ti_id = f"{attempt} of {scope}"
    if bind := getattr(backend, "bind", None):
        bind(ti_id, scope)
    return backend.serialize_task_state_to_ref(value=value, key=key, ti_id=ti_id)


def read(backend: BaseStateBackend, scope: StateScope, stored: Any) -> Any:  # noqa: ANN401 - JSON
    """Read as a worker does, after what the write hook returned was in a database."""
    hook = "deserialize_asset_state_from_ref" if isinstance(scope, AssetScope) else "deserialize_task_state_from_ref"
    return getattr(backend, hook)(json.loads(json.dumps(stored)))


class StateContract:
    """What the parts of the contract have in common.

    Attributes:
        shared: Other instances and processes see what is written; false for a backend in the memory of one process.
        in_ref: What a write hook returns holds the value, so that neither `delete` nor `clear` reaches it.
        keeps_text: `get` and `set` work; false where they are stubs, since no worker calls them.
        picklable: An instance may be handed to another process.
        fork_safe: An instance may be used before a fork and after it.
        missing: What a read hook raises for what was deleted.
    """

    shared: ClassVar[bool] = True
    in_ref: ClassVar[bool] = False
    keeps_text: ClassVar[bool] = True
    picklable: ClassVar[bool] = True
    fork_safe: ClassVar[bool] = True
    missing: ClassVar[tuple[type[Exception], ...]] = (LamellaError, LookupError, OSError)

    task: ClassVar[TaskScope] = TaskScope("dag", "run", "task")
    asset: ClassVar[AssetScope] = AssetScope(name="asset")

    def holds(self, backend: BaseStateBackend, scope: StateScope, stored: Any, value: Any) -> bool:  # noqa: ANN401 - JSON
        """Tell whether a ref reads as a value, or as nothing."""
        try:
            return bool(read(backend, scope, stored) == value)
        except self.missing:
            return False


class ValueContract(StateContract):
    """Values through the hooks, texts through get and set."""

    @pytest.mark.parametrize("name", _VALUES)
    def test_value_comes_back_with_its_types(self, backend: BaseStateBackend, name: str) -> None:
        value = _VALUES[name]
        for scope in (self.task, self.asset):
            stored = write(backend, scope, "key", value)
            # As text 1, 1.0 and true differ, and so do the orders of two objects.
            assert json.dumps(read(backend, scope, stored)) == json.dumps(value)

    @pytest.mark.parametrize("name", _VALUES)
    def test_value_comes_back_through_the_hooks_that_get_a_scope(self, backend: BaseStateBackend, name: str) -> None:
        for kind, scope in (("task", self.task), ("asset", self.asset)):
            if hook := getattr(backend, f"serialize_{kind}_state_store_to_ref", None):
                stored = hook(value=_VALUES[name], key="key", scope=scope)
                found = getattr(backend, f"deserialize_{kind}_state_store_from_ref")(stored)
                assert json.dumps(found) == json.dumps(_VALUES[name])

    def test_database_can_hold_what_a_write_hook_returns(self, backend: BaseStateBackend) -> None:
        for scope in (self.task, self.asset):
            stored = write(backend, scope, "key", {"page": 7})
            assert json.loads(json.dumps(stored, allow_nan=False)) == stored
            if not self.in_ref:
                assert isinstance(stored, str)
                assert stored
                stored.encode()

    def test_second_write_replaces_the_first(self, backend: BaseStateBackend) -> None:
        for scope in (self.task, self.asset):
            for value in (["long"] * 50_000, {"page": 1}, "", 7):
                stored = write(backend, scope, "key", value)
                assert read(backend, scope, stored) == value

    def test_same_scope_and_key_give_the_same_ref_on_every_try(self, backend: BaseStateBackend) -> None:
        if not self.in_ref:
            first = write(backend, self.task, "key", 1, attempt=1)
            assert write(backend, self.task, "key", [2] * 100, attempt=2) == first
            assert read(backend, self.task, first) == [2] * 100

    @pytest.mark.parametrize("text", _TEXTS, ids=range(len(_TEXTS)))
    def test_text_comes_back_verbatim(self, backend: BaseStateBackend, text: str) -> None:
        if self.keeps_text:
            for scope in (self.task, self.asset, AssetScope(uri="s3://bucket/asset"), AssetScope(asset_id=5)):
                backend.set(scope, "key", text)
                assert backend.get(scope, "key") == text

    def test_text_that_was_never_set_is_none(self, backend: BaseStateBackend) -> None:
        if self.keeps_text:
            backend.set(self.task, "other", "text")
            assert backend.get(self.task, "key") is None
            assert backend.get(self.asset, "other") is None

    def test_set_takes_a_time_and_a_session_and_get_takes_a_session(self, backend: BaseStateBackend) -> None:
        if self.keeps_text:
            later = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=1)
            backend.set(self.task, "key", "text", expires_at=later, session=None)
            assert backend.get(self.task, "key", session=None) == "text"

    def test_async_twins_do_what_the_others_do(self, backend: BaseStateBackend) -> None:
        async def through_the_twins() -> list[str | None]:
            found = []
            for scope in (self.task, self.asset):
                await backend.aset(scope, "key", "text", expires_at=None, session=None)
                found += [await backend.aget(scope, "key", session=None), backend.get(scope, "key")]
                await backend.adelete(scope, "key", session=None)
                found.append(await backend.aget(scope, "key"))
                await backend.aset(scope, "key", "again")
                await backend.aclear(scope, all_map_indices=True, session=None)
                found.append(backend.get(scope, "key"))
            return found

        if self.keeps_text:
            with warnings.catch_warnings():
                # A loop's own sockets are closed by it; only the backend is judged here.
                warnings.simplefilter("ignore", ResourceWarning)
                assert asyncio.run(through_the_twins()) == ["text", "text", None, None] * 2

    def test_cleanup_leaves_what_has_no_end(self, backend: BaseStateBackend) -> None:
        stored = write(backend, self.task, "key", {"page": 7})
        backend.cleanup()
        assert read(backend, self.task, stored) == {"page": 7}
