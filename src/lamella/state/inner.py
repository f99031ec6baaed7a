"""A foreign state backend as the place where sealed values go.

It gets the sealed object as text: base64url in double quotes, one JSON string document. What comes back may be quoted
once more or once less, since some backends keep values and some keep documents.

Source: docs/state.md, "Wrapping".
"""

from __future__ import annotations

import json
from dataclasses import replace
from inspect import signature
from threading import local
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from lamella.armour import armour, unarmour
from lamella.config import build_stack, load_config
from lamella.errors import ConfigError, LimitExceededError, ManifestRefusedError, StoreError
from lamella.flow.edge import storing
from lamella.flow.write import write
from lamella.protocols.store import InRefStore, Version
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.state.loading import BY_SCOPE, has_methods, load_backend, refuse_no_backend
from lamella.wire.envelope import MAGIC

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from typing_extensions import Self

    from lamella.flow.engine import Engine
    from lamella.protocols.layer import Segment
    from lamella.protocols.store import Condition
    from lamella.stack import Stack
    from lamella.state.scopes import Owner

__all__ = ["BackendStore", "armoured", "open_state_stack", "unarmoured"]

_OPTIONAL: Final = frozenset({"session", "expires_at"})
_REFUSAL: Final = "a wrapped backend is reached through lamella.state.LayeredStateBackend, not through its stack"


class _Catch(InRefStore):
    """Catches the object that a thread puts: to the flow a store like others."""

    scheme: ClassVar[str] = "backend"
    in_ref: ClassVar[bool] = False
    refusal: ClassVar[str] = _REFUSAL

    def __init__(self) -> None:
        self.caught = local()

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> NoReturn:
        """Refuse: only a wrapped backend has a URL."""
        del options
        raise StoreError(cls.refusal, locator=url)

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Keep the object for the thread that puts it."""
        del locator, if_version
        self.caught.body = b"".join(source)
        return Version("")


class BackendStore(InRefStore):
    """A foreign backend in the place of a stack's store; its ref is the body of ours.

    Attributes:
        inner: Any object with the contract of a state backend.
        by_scope: Its hooks get scopes, as Airflow 3.3 calls them.
    """

    scheme: ClassVar[str] = "backend"
    refusal: ClassVar[str] = _REFUSAL

    def __init__(self, inner: Any, label: str = "the backend to wrap") -> None:  # noqa: ANN401 - any class
        """Take a backend.

        Raises:
            ConfigError: It is no state backend.
        """
        refuse_no_backend(label, inner)
        self.inner = inner
        self.by_scope = has_methods(inner, BY_SCOPE)
        self._sealing: tuple[Engine, _Catch] | None = None

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> Self:
        """Load the class that `backend:package.module.Class` names."""
        if options:
            raise ConfigError(f"store {url!r}: a backend is made without arguments; remove what follows '?'")
        return cls.loaded(f"store {url!r}", url.partition(":")[2])

    @classmethod
    def loaded(cls, label: str, path: str) -> Self:
        """Load a class and make the backend.

        Raises:
            ConfigError: It cannot be made, is no state backend, or is Lamella itself.
        """
        inner = load_backend(label, path)
        if getattr(inner, "has_layers", False):
            raise ConfigError(f"{label}: {path!r} is Lamella itself; name the backend that keeps the values")
        return cls(inner, label)

    def seal(self, engine: Engine, address: Address, codec: int, text: bytes) -> bytes:
        """Take a value through the layers of a stack, and return the object."""
        if self._sealing is None:
            catch = _Catch()
            self._sealing = replace(engine, stores={engine.alias: catch}), catch
        sealing, catch = self._sealing
        write(sealing, address, codec, text)
        body: bytes = catch.caught.__dict__.pop("body")
        return body

    def keep(self, engine: Engine, owner: Owner, key: str, text: str) -> bytes:
        """Hand a text to the backend's write hook, and return its ref.

        Raises:
            StoreError: The hook failed, or returned no ref.
            LimitExceededError: The ref is longer than a ref may carry.
        """
        kind = owner.scope.kind
        with storing(engine.place(Address(owner.scope, key)).head):
            if self.by_scope:
                hook = getattr(self.inner, f"serialize_{kind}_state_store_to_ref")
                ref = hook(value=json.loads(text), key=key, scope=owner.given)
            elif isinstance(owner.scope, TaskScope):
                ref = self.inner.serialize_task_state_to_ref(value=text, key=key, ti_id=self._ti_id(owner))
            else:
                name = owner.name or owner.scope.name or owner.scope.uri or str(owner.scope.asset_id)
                ref = self.inner.serialize_asset_state_to_ref(value=text, key=key, asset_ref=name)
            if not isinstance(ref, str) or not ref:
                raise StoreError(
                    f"the wrapped backend's write hook returned {type(ref).__name__}, not the text of a ref"
                )
            body = ref.encode()
        if len(body) > engine.limits.max_inline_bytes:
            raise LimitExceededError(
                f"the wrapped backend's ref has {len(body)} bytes, limits.max_inline_bytes is "
                f"{engine.limits.max_inline_bytes}: its hooks keep nothing by themselves, so raise the limit"
            )
        return body

    def fetch(self, kind: str, ref: str | bytes, locator: str) -> Any:  # noqa: ANN401 - what the backend returns
        """Hand a ref, or what a ref of ours carried as its body, to the backend's read hook; return what that returns.

        Raises:
            ManifestRefusedError: The body is no ref but the object itself.
            StoreError: The hook failed.
        """
        if isinstance(ref, bytes):
            try:
                ref = ref.decode()
            except UnicodeDecodeError:
                raise ManifestRefusedError(
                    "the ref holds the object itself, and its alias names a wrapped backend now; give that another "
                    "alias, and list the store of before under [stores]",
                    locator=locator,
                ) from None
        shape = "state_store" if self.by_scope else "state"
        with storing(locator):
            return getattr(self.inner, f"deserialize_{kind}_{shape}_from_ref")(ref)

    def call(self, name: str, owner: Owner, *rest: object, **options: object) -> Any:  # noqa: ANN401 - what the backend returns
        """Call `get`, `set`, `delete` or `clear` by scope; an option goes along where the backend takes it."""
        method = getattr(self.inner, name)
        with storing(""):
            return method(owner.given, *rest, **_taken(method, options))

    async def acall(self, name: str, owner: Owner, *rest: object, **options: object) -> Any:  # noqa: ANN401 - what the backend returns
        """Call the twin `aget`, `aset`, `adelete` or `aclear`, as `call` does."""
        method = getattr(self.inner, name)
        with storing(""):
            return await method(owner.given, *rest, **_taken(method, options))

    def _ti_id(self, owner: Owner) -> str:
        """Return the host's `ti_id`, or one that stands for the scope, and tell the backend whose it is."""
        import uuid  # noqa: PLC0415 - only a wrapped backend of this shape needs it

        named = json.dumps([owner.scope.fields(), owner.scope.map_index])
        ti_id = owner.name or str(uuid.uuid5(uuid.NAMESPACE_OID, named))
        if has_methods(self.inner, ("bind",)):
            self.inner.bind(ti_id, owner.given)
        return ti_id


def open_state_stack(
    chain: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Stack:
    """Build the configured stack as `open_stack` does, one that ends in `backend:package.module.Class` included."""
    registry = installed_registry()
    known = replace(registry, stores={**registry.stores, BackendStore.scheme: BackendStore})
    return build_stack(load_config(chain, path=path, environ=environ, settings=settings), registry=known)


def armoured(body: bytes) -> str:
    """Return an object as one JSON string document."""
    return f'"{armour(body)}"'


def unarmoured(text: object) -> bytes | None:
    """Return the object that a text is, None where it is none."""
    if not isinstance(text, str):
        return None
    bare = text.strip('"\\')
    try:
        body = unarmour(bare)
    except ValueError:
        return None
    return body if body.startswith(MAGIC) and armour(body) == bare else None


def _taken(method: Callable[..., object], options: Mapping[str, object]) -> dict[str, object]:
    """Return the options that were given, but for those that a backend may lack and this one does."""
    given = {name: value for name, value in options.items() if value is not None}
    if given.keys().isdisjoint(_OPTIONAL):
        return given
    parameters = signature(method).parameters
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return {name: value for name, value in given.items() if takes_all or name in parameters or name not in _OPTIONAL}
