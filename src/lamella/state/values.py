"""Values and texts of state through a stack, whether its store keeps objects or is a wrapped backend.

Source: docs/state.md, "Values and texts".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lamella.errors import (
    ConfigError,
    IntegrityError,
    InvalidValueError,
    ManifestRefusedError,
    ObjectNotFoundError,
    RefMismatchError,
)
from lamella.flow.engine import Source
from lamella.flow.read import read, read_ref
from lamella.flow.stream import gather
from lamella.flow.write import write
from lamella.scope import Address
from lamella.state.inner import BackendStore, armoured, unarmoured
from lamella.wire.codec import CODEC_JSON, CODEC_RAW, dump_json, encode_text, load_json
from lamella.wire.ref import PREFIX, Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lamella.flow.engine import Engine
    from lamella.protocols.layer import Payload
    from lamella.protocols.store import Store
    from lamella.stack import Stack
    from lamella.state.scopes import Owner, StateScope
    from lamella.wire.lead import Lead

__all__ = [
    "QUOTED_REF",
    "find_text",
    "get_text",
    "is_ref",
    "keep_text",
    "keep_value",
    "load_document",
    "put_text",
    "reached",
    "read_by_ref",
    "read_stored",
]

QUOTED_REF: Final = f'"{PREFIX}'
"""What a ref begins with where it is kept as a JSON document."""


def keep_value(stack: Stack, owner: Owner, key: str, value: Any) -> str:  # noqa: ANN401 - any JSON document
    """Store a JSON value and return its ref; raises as `Stack.put` does."""
    engine, address = stack.engine, Address(owner.scope, key)
    if not (engine.store.in_ref and isinstance(engine.store, BackendStore)):  # An attribute is cheaper to ask.
        return stack.put(address, value)
    body = engine.store.seal(engine, address, CODEC_JSON, dump_json(value, engine.limits))
    return engine.ref(engine.place(address), engine.store.keep(engine, owner, key, armoured(body)))


def read_stored(stack: Stack, kind: str, stored: Any, plain: Callable[[Any], object]) -> Any:  # noqa: ANN401 - any JSON document
    """Return the value for which the database keeps `stored`; raises as `Stack.get` does.

    What is no ref of ours is admitted as an object without a seal would be. Over a wrapped backend it may be a ref of
    that backend's own, from before it was wrapped, so it goes to that backend's read hook.

    Args:
        stack: The stack that wrote the value.
        kind: The kind that its ref must have.
        stored: What the database keeps.
        plain: Reads what is no ref.

    Raises:
        RefMismatchError: The ref is genuine but of another kind.
        ManifestRefusedError: It is no ref, and the policy requires a seal.
    """
    if is_ref(stored):
        return read_by_ref(stack, kind, stored)
    engine = stack.engine
    try:
        engine.require(0)
    except ManifestRefusedError:
        raise ManifestRefusedError(
            "what the database holds is no ref of Lamella, or one that was altered: restore the row, write the value "
            "again, or have values from before read for a while: policy.accept = [{ strength = 0, until = DATE }]"
        ) from None
    return engine.store.fetch(kind, stored, "") if isinstance(engine.store, BackendStore) else plain(stored)


def is_ref(stored: object) -> bool:
    """Tell whether something is meant to be a ref of ours."""
    return isinstance(stored, str) and stored.startswith(PREFIX)


def load_document(text: object) -> Any:  # noqa: ANN401 - any JSON document
    """Return the value of a JSON text that was stored without a ref.

    Raises:
        InvalidValueError: It is no JSON text.
    """
    try:
        if isinstance(text, str):
            return load_json(text.encode())
    except (IntegrityError, UnicodeEncodeError):
        pass
    raise InvalidValueError("what the database holds is neither a ref nor a JSON text; write the value again")


def keep_text(stack: Stack, address: Address, text: str) -> tuple[BackendStore, str] | None:
    """Store a text verbatim; return a wrapped backend and the sealed text for it, where it is one that keeps it.

    Raises:
        InvalidValueError: It is no text, or cannot be encoded as UTF-8.
        LimitExceededError: It is longer than `limits.max_value_bytes`.
        ConfigError: The store keeps values in their refs alone.
        StoreError: The store failed; the old text, or the new one, is there.
    """
    store = stack.engine.store
    if isinstance(store, BackendStore):
        return store, armoured(store.seal(stack.engine, address, CODEC_RAW, _encoded(stack.engine, text)))
    _refuse_inline(stack.engine)
    put_text(stack, address, text)
    return None


def put_text(stack: Stack, address: Address, text: str) -> str:
    """Store a text verbatim and return its ref; raises as `keep_text` does, and takes an inline store.

    Raises:
        LimitExceededError: The store is inline, and the object is longer than `limits.max_inline_bytes`.
    """
    raw = _encoded(stack.engine, text)
    return write(stack.engine, address, CODEC_RAW, raw, len(raw))


def get_text(stack: Stack, address: Address, ref: str) -> str:
    """Return the text behind a ref that must be of this address; raises as `Stack.get` does."""
    engine = stack.engine
    return read_ref(engine, engine.verify(ref, address), partial(_decoded, engine), whole=True)


def reached(stack: Stack, owners: Sequence[Owner]) -> list[tuple[BackendStore, Owner]]:
    """Return the wrapped backends of a stack, each with the owners that it knows by scope."""
    return [
        (store, owner)
        for store in stack.engine.stores.values()
        if isinstance(store, BackendStore)
        for owner in owners
        if store.by_scope or owner.name is None
    ]


def find_text(
    stack: Stack, owners: Sequence[Owner], key: str, held: Mapping[tuple[int, StateScope], object]
) -> str | None:
    """Return the text that the first of several owners has, in the first store that has it; None where none has.

    Args:
        stack: The stack whose stores are looked at.
        owners: Whose it may be.
        key: Its key.
        held: What wrapped backends returned, by the `id` of their store and the owner's scope.
    """
    _refuse_inline(stack.engine)
    for owner in owners:
        address = Address(owner.scope, key)
        for store in stack.engine.stores.values():
            if isinstance(store, BackendStore):
                found = _wrapped_text(stack.engine, store, address, held.get((id(store), owner.scope)))
            else:
                found = _text(stack.engine, store, address)
            if found is not None:
                return found
    return None


def read_by_ref(stack: Stack, kind: str, text: str) -> Any:  # noqa: ANN401 - any JSON document
    """Return the value behind a ref of a kind; raises as `read_stored` does."""
    engine = stack.engine
    ref = engine.verify(text)
    if ref.place.kind != kind:
        raise RefMismatchError(f"the ref is genuine but of kind {ref.place.kind!r}; look for a row that was copied")
    source = engine.source(ref)
    if ref.body is not None and isinstance(source.store, BackendStore):
        held = source.store.fetch(kind, ref.body, ref.place.head)
        if held is None:
            raise ObjectNotFoundError(
                "the wrapped backend holds nothing behind its ref: it was deleted, expired or never written",
                locator=ref.place.head,
            )
        body = unarmoured(held)
        if body is None:
            raise IntegrityError(locator=ref.place.head)
        source = source._replace(ref=ref._replace(body=body))

    def load(lead: Lead, value: Payload) -> Any:  # noqa: ANN401 - any JSON document
        if lead.codec != CODEC_JSON:
            raise InvalidValueError("a text replaced the value since this ref was made; read it with `get`")
        return load_json(gather(value, engine.limits))

    return read(engine, source, load, whole=True)


def _text(engine: Engine, store: Store, address: Address) -> str | None:
    place = engine.place(address)
    try:
        return None if store.in_ref else _read_text(engine, Source(store, place, place.head))
    except ObjectNotFoundError:
        return None


def _wrapped_text(engine: Engine, store: Store, address: Address, text: object) -> str | None:
    if text is None:
        return None
    place = engine.place(address)
    body = unarmoured(text)
    if body is None:
        engine.require(0)
        return str(text)
    return _read_text(engine, Source(store, place, place.head, Ref(engine.alias, engine.plan.manifest, place, body)))


def _read_text(engine: Engine, source: Source) -> str:
    return read(engine, source, partial(_decoded, engine), whole=True)


def _decoded(engine: Engine, _lead: Lead, value: Payload) -> str:
    return str(gather(value, engine.limits), "utf-8")


def _encoded(engine: Engine, text: str) -> bytes:
    raw = encode_text(text)
    engine.limits.check_value(len(raw))
    return raw


def _refuse_inline(engine: Engine) -> None:
    if engine.store.in_ref and not isinstance(engine.store, BackendStore):
        raise ConfigError("the inline store keeps values in the refs that hooks return; `get` and `set` have none")
