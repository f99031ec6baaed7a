"""The state backend whose values go through a stack: the contract, and Airflow 3.3's hooks, over one engine.

Source: docs/state.md, "LayeredStateBackend".
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lamella.scope import Address
from lamella.stack import Stack
from lamella.state.backend import BaseStateBackend
from lamella.state.inner import open_state_stack
from lamella.state.scopes import Owner, asset_owner, owner_of, owners_of, unbound_owner
from lamella.state.thread import in_thread
from lamella.state.values import find_text, is_ref, keep_text, keep_value, load_document, reached, read_stored

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from lamella.state.scopes import StateScope

__all__ = ["LayeredStateBackend"]

_MAX_BOUND: Final = 4096
"""Of how many tries a backend remembers the scope."""


class LayeredStateBackend(BaseStateBackend):
    """Keeps values in a stack, and gives the database refs to them.

    Cheap to make: the stack is opened by its first use, in the process that uses it. Thread-safe, and safe across forks
    as far as the stores are. Pickled, it takes along how the stack is opened, and never a key.

    Args:
        stack: A stack, or what opens one; by default what opens the configured one.
    """

    has_layers: ClassVar[bool] = True
    """So says what is Lamella itself, and is not to be wrapped once more."""

    def __init__(self, stack: Stack | Callable[[], Stack] = open_state_stack) -> None:
        """Take a stack, or how to open it."""
        self._given = stack
        self._opened: dict[str, Stack] = {}
        self._bound: OrderedDict[str, Owner] = OrderedDict()

    @property
    def stack(self) -> Stack:
        """The stack under this backend.

        Raises:
            ConfigError: It cannot be built.
            KeyringError: Its keyring cannot be opened.
        """
        if isinstance(self._given, Stack):
            return self._given
        # Of two threads that open it at once, both go on with the stack of one; no lock could be held over a fork.
        return self._opened.get("stack") or self._opened.setdefault("stack", self._given())

    def bind(self, ti_id: str, scope: StateScope) -> None:
        """Say whose try a `ti_id` is, so that what its hooks write is found by scope, in any process and on any try.

        Remembers the last 4,096. A `ti_id` of which nothing is known is `TaskScope("", "", ti_id)`, a scope of its own.
        """
        self._bound[str(ti_id)] = owner_of(scope)._replace(name=str(ti_id))
        with suppress(KeyError):  # Another thread may have dropped it, if it bound as many at once.
            self._bound.move_to_end(str(ti_id))
            while len(self._bound) > _MAX_BOUND:
                self._bound.popitem(last=False)

    def expect(
        self,
        stored: Any,  # noqa: ANN401 - what a database held
        *,
        key: str,
        ti_id: str | None = None,
        asset_ref: str | None = None,
        scope: StateScope | None = None,
    ) -> None:
        """Refuse a ref in the row of another task, asset or key; a read hook cannot, since it gets the ref alone.

        Args:
            stored: What the row holds; anything but a ref passes.
            key: The key of the row.
            ti_id: Whose row it is: the id of a try,
            asset_ref: or the name or the URI of an asset,
            scope: or a scope; of an asset, what an `asset_ref` wrote passes too.

        Raises:
            RefError: The ref is malformed, forged or of another address.
        """
        if not is_ref(stored):
            return
        if scope is not None:
            owners = [*owners_of(scope)]
        else:
            owners = [self._task(str(ti_id)) if asset_ref is None else asset_owner(asset_ref)]
        addresses = [Address(owner.scope, key) for owner in owners]
        place = self.stack.engine.verify(stored).place
        if all(self.stack.engine.place(address) != place for address in addresses):
            self.stack.engine.verify(stored, addresses[0])

    def serialize_task_state_to_ref(self, *, value: Any, key: str, ti_id: str) -> str:  # noqa: ANN401 - any JSON document
        """Store a task's value and return its ref; raises as `Stack.put` does."""
        return keep_value(self.stack, self._task(ti_id), key, value)

    def deserialize_task_state_from_ref(self, stored: Any) -> Any:  # noqa: ANN401 - any JSON document
        """Return a task's value by its ref; what is no ref is returned where the policy admits plaintext."""
        return read_stored(self.stack, "task", stored, _unchanged)

    def serialize_asset_state_to_ref(self, *, value: Any, key: str, asset_ref: str) -> str:  # noqa: ANN401 - any JSON document
        """Store an asset's value and return its ref; raises as `Stack.put` does."""
        return keep_value(self.stack, asset_owner(asset_ref), key, value)

    def deserialize_asset_state_from_ref(self, stored: Any) -> Any:  # noqa: ANN401 - any JSON document
        """Return an asset's value by its ref; what is no ref is returned where the policy admits plaintext."""
        return read_stored(self.stack, "asset", stored, _unchanged)

    def serialize_task_state_store_to_ref(self, *, value: Any, key: str, scope: Any) -> str:  # noqa: ANN401 - the host's
        """Store a task's value by scope and return its ref; raises as `Stack.put` does."""
        return keep_value(self.stack, owner_of(scope), key, value)

    def deserialize_task_state_store_from_ref(self, stored: str) -> Any:  # noqa: ANN401 - any JSON document
        """Return a task's value by its ref, or a plain JSON text's where the policy admits plaintext."""
        return read_stored(self.stack, "task", stored, load_document)

    def serialize_asset_state_store_to_ref(self, *, value: Any, key: str, scope: Any) -> str:  # noqa: ANN401 - the host's
        """Store an asset's value by scope and return its ref; raises as `Stack.put` does."""
        return keep_value(self.stack, owner_of(scope), key, value)

    def deserialize_asset_state_store_from_ref(self, stored: str) -> Any:  # noqa: ANN401 - any JSON document
        """Return an asset's value by its ref, or a plain JSON text's where the policy admits plaintext."""
        return read_stored(self.stack, "asset", stored, load_document)

    def get(self, scope: StateScope, key: str, *, session: Any = None) -> str | None:  # noqa: ANN401 - the host's
        """Return the text that `set` kept, or the JSON text of what a hook stored; None where there is nothing.

        An asset is looked up by its own scope first, then as the `asset_ref` of its name and of its URI.
        """
        owners = tuple(owners_of(scope))
        wrapped = reached(self.stack, owners)
        held = {(id(store), owner.scope): store.call("get", owner, key, session=session) for store, owner in wrapped}
        return find_text(self.stack, owners, key, held)

    def set(
        self,
        scope: StateScope,
        key: str,
        value: str,
        *,
        expires_at: dt.datetime | None = None,
        session: Any = None,  # noqa: ANN401 - the host's
    ) -> None:
        """Keep a text verbatim."""
        owner = owner_of(scope)
        wrapped = keep_text(self.stack, Address(owner.scope, key), value)
        if wrapped is not None:
            store, text = wrapped
            store.call("set", owner, key, text, expires_at=expires_at, session=session)

    def delete(self, scope: StateScope, key: str, *, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Remove a key from every configured store; for an asset, what was written by `asset_ref` as well."""
        owners = tuple(owners_of(scope))
        self._delete(owners, key)
        for store, owner in reached(self.stack, owners):
            store.call("delete", owner, key, session=session)

    def clear(self, scope: StateScope, *, all_map_indices: bool = False, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Remove every key of a scope from every configured store, as `delete` does."""
        owners = tuple(owners_of(scope))
        self._clear(owners, all_map_indices=all_map_indices)
        for store, owner in reached(self.stack, owners):
            store.call("clear", owner, session=session, all_map_indices=all_map_indices or None)

    async def aget(self, scope: StateScope, key: str, *, session: Any = None) -> str | None:  # noqa: ANN401 - the host's
        """Do what `get` does, in a thread but for a wrapped backend's own twin."""
        owners = tuple(owners_of(scope))
        wrapped = reached(await in_thread(self._open), owners)
        held = {
            (id(store), owner.scope): await store.acall("aget", owner, key, session=session) for store, owner in wrapped
        }
        return await in_thread(find_text, self.stack, owners, key, held)

    async def aset(
        self,
        scope: StateScope,
        key: str,
        value: str,
        *,
        expires_at: dt.datetime | None = None,
        session: Any = None,  # noqa: ANN401 - the host's
    ) -> None:
        """Do what `set` does, in a thread but for a wrapped backend's own twin."""
        owner = owner_of(scope)
        wrapped = await in_thread(keep_text, await in_thread(self._open), Address(owner.scope, key), value)
        if wrapped is not None:
            store, text = wrapped
            await store.acall("aset", owner, key, text, expires_at=expires_at, session=session)

    async def adelete(self, scope: StateScope, key: str, *, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Do what `delete` does, in a thread but for a wrapped backend's own twin."""
        owners = tuple(owners_of(scope))
        await in_thread(self._delete, owners, key)
        for store, owner in reached(self.stack, owners):
            await store.acall("adelete", owner, key, session=session)

    async def aclear(self, scope: StateScope, *, all_map_indices: bool = False, session: Any = None) -> None:  # noqa: ANN401 - the host's
        """Do what `clear` does, in a thread but for a wrapped backend's own twin."""
        owners = tuple(owners_of(scope))
        await in_thread(self._clear, owners, all_map_indices=all_map_indices)
        for store, owner in reached(self.stack, owners):
            await store.acall("aclear", owner, session=session, all_map_indices=all_map_indices or None)

    def __getstate__(self) -> dict[str, object]:
        """Take along how the stack is opened.

        Raises:
            TypeError: It was made around a stack, which holds keys.
        """
        if isinstance(self._given, Stack):
            raise TypeError(
                "a state backend around a stack holds keys and is not pickled; "
                "make it from what opens the stack: LayeredStateBackend(open_state_stack)"
            )
        return {"_given": self._given, "_opened": {}, "_bound": OrderedDict()}

    def _open(self) -> Stack:
        return self.stack

    def _task(self, ti_id: str) -> Owner:
        owner = self._bound.get(str(ti_id))
        return unbound_owner(str(ti_id)) if owner is None else owner

    def _delete(self, owners: Sequence[Owner], key: str) -> None:
        for owner in owners:
            self.stack.delete(Address(owner.scope, key))

    def _clear(self, owners: Sequence[Owner], *, all_map_indices: bool) -> None:
        for owner in owners:
            self.stack.clear(owner.scope, all_map_indices=all_map_indices)


def _unchanged(stored: object) -> object:
    """Read what the contract's own hooks keep."""
    return stored
