"""Where a move puts values: today's layers and store, as long as nothing else is there.

A task may set its key while its old value is moved. Its object is written before its row, so the row cannot tell; a
store that knows conditions can. One that knows none is looked at before, and between the look and the write a newer
value may be lost: there no task may run.

Source: docs/airflow.md, "Coming from another backend".
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lamella.errors import ConfigError, IntegrityError, RefError, StoreConflictError
from lamella.flow.head import current_generation
from lamella.flow.write import write
from lamella.protocols.store import ABSENT, ForwardingStore
from lamella.scope import Address
from lamella.state.inner import BackendStore, unarmoured
from lamella.state.values import find_text, keep_value
from lamella.wire.codec import CODEC_JSON, dump_json
from lamella.wire.locator import ALL_HEADS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamella.protocols.layer import Segment
    from lamella.protocols.store import Condition, Store, Version
    from lamella.stack import Stack
    from lamella.state.scopes import Owner

__all__ = ["Destination", "refuse_racing"]


class Destination:
    """Today's stack, in which a move replaces nothing but what it looked at.

    Args:
        stack: The stack.
    """

    def __init__(self, stack: Stack) -> None:
        """Take a stack."""
        engine = stack.engine
        self._stack = stack
        self._store = _ExpectingStore(engine.store)
        self._engine = replace(engine, stores={**engine.stores, engine.alias: self._store})

    def is_inside(self, backend: Any) -> bool:  # noqa: ANN401 - any state backend
        """Tell whether the stack's objects go to a backend of this one's class, and so to the same places."""
        store = self._stack.engine.store
        return isinstance(store, BackendStore) and type(store.inner) is type(backend)

    def held(self, owner: Owner, key: str) -> str | None:
        """Return the text of the value that today's stores have at an address, None where they have none.

        Raises:
            StoreConflictError: What is there cannot be opened.
        """
        store, text = self._stack.engine.store, None
        if isinstance(store, BackendStore):
            text = store.call("get", owner, key)
            if unarmoured(text) is None:  # Nothing, or the earlier value in its own place.
                return None
        elif store.in_ref:
            return None
        try:
            return find_text(self._stack, (owner,), key, {(id(store), owner.scope): text})
        except (IntegrityError, RefError) as error:
            raise StoreConflictError(
                "what today's store has at this address cannot be opened; it is left as it is"
            ) from error

    def keep(self, owner: Owner, key: str, value: Any, *, apply: bool) -> str:  # noqa: ANN401 - any JSON document
        """Store a value and return its ref; only look whether that can be done unless `apply`.

        An equal value that is there is written again: it may be an orphan, which a reconciliation removes at the
        version that it has seen.

        Raises:
            StoreConflictError: Another value is there.
            InvalidValueError: The value is not what JSON says JSON is: it holds a NaN or an infinity.
            AddressError: A name or the key cannot be one of ours.
            LimitExceededError: The value is larger than the limits allow.
            StoreError: The store failed.
        """
        engine, address = self._engine, Address(owner.scope, key)
        text = dump_json(value, engine.limits)
        self._store.last, self._store.expected = None, ABSENT
        if apply and not engine.store.in_ref:  # Before the value is looked at: what comes later is not replaced.
            self._store.expected = current_generation(engine, engine.store, engine.place(address))[0]
        held = self.held(owner, key)
        if held is not None and held.encode() != text:
            raise StoreConflictError("today's store has another value at this address; it is left as it is")
        if not apply:
            return ""
        if engine.store.in_ref:
            return keep_value(self._stack, owner, key, value)
        return write(engine, address, CODEC_JSON, text)

    def take_back(self) -> None:
        """Remove the object that the last `keep` put where none was, as long as nobody replaced it.

        Raises:
            StoreError: The store failed.
        """
        if self._store.last is not None and self._store.conditional_put:
            locator, version = self._store.last
            with suppress(StoreConflictError):
                self._store.delete(locator, if_version=version)


def refuse_racing(stack: Stack) -> None:
    """Refuse a store in which a move may replace what a task sets meanwhile.

    Raises:
        ConfigError: The store keeps values and knows no conditions.
    """
    store = stack.engine.store
    if store.conditional_put or (store.in_ref and not isinstance(store, BackendStore)):
        return
    raise ConfigError(
        f"the store {store.scheme!r} cannot write under a condition, so a value that a task sets meanwhile could be "
        "lost; pause the DAGs, wait until no task and no trigger runs, and pass --dags-paused"
    )


class _ExpectingStore(ForwardingStore):
    """Puts an object only over what is expected; as one step where the store can.

    Attributes:
        expected: What is there, or that nothing is.
        last: The locator and the version of the last object that was put where nothing was.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.expected: Condition = ABSENT
        self.last: tuple[str, Version] | None = None

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Put a part as it is, and an object over what is expected."""
        if not locator.startswith(ALL_HEADS):
            return self._inner.put(locator, source, if_version=if_version)
        if if_version not in {None, self.expected}:
            raise StoreConflictError("another value is there already", locator=locator)
        version = self._inner.put(locator, source, if_version=self.expected if self.conditional_put else None)
        if self.expected is ABSENT:
            self.last = locator, version
        return version
