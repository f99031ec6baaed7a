"""What an earlier backend wrote, read until a date: from where that backend keeps it, and nowhere else.

Each use is one warning record, so that an operator sees what is left. The backend is loaded by its first use.

Source: docs/airflow.md, "Coming from another backend".
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lamella.airflow.audit import warn
from lamella.airflow.options import SECTION
from lamella.airflow.places import Places
from lamella.errors import (
    InvalidValueError,
    ManifestRefusedError,
    ObjectNotFoundError,
    RefError,
    StoreConflictError,
    UnsealedValueError,
)
from lamella.policy import today
from lamella.state.inner import BackendStore, unarmoured
from lamella.state.scopes import owner_of
from lamella.state.thread import in_thread
from lamella.state.values import load_document

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from lamella.airflow.caller import Caller
    from lamella.airflow.settings import AirflowSettings
    from lamella.state.scopes import Owner, StateScope

__all__ = ["Fallback", "open_fallback"]

_LAID_OUT: Final = "airflow.providers.common.io.state_store.backend.StateStoreObjectStorageBackend"
_COMMON_IO: Final = "common.io"
_NO_ADDRESS: Final = (
    "the row holds a value that the earlier backend left in it, or that was planted: whose it is cannot be told; run "
    f"`lamella airflow migrate`, set it again, or set [{SECTION}] accept_plaintext_until = YYYY-MM-DD"
)
_NONE: Final = object()
"""What is no value."""


class _Opened(NamedTuple):
    """The earlier backend, and the places of its refs."""

    inner: BackendStore
    places: Places


def open_fallback(settings: AirflowSettings) -> Fallback | None:
    """Return what reads the values of `fallback_backend`, None where no such backend is configured."""
    if settings.migrate_until is None:
        return None
    return Fallback(settings.fallback_backend, settings.fallback_base, settings.migrate_until)


class Fallback:
    """The earlier backend, as far as its refs are trusted.

    Args:
        path: Its class, as `package.module.Class`.
        base: The URL under which its refs must lie; empty means Airflow's own option.
        until: The last day, by UTC, on which tasks read what it wrote.
    """

    def __init__(self, path: str, base: str, until: dt.date) -> None:
        """Remember how to reach it."""
        self._path = path
        self._base = base
        self._until = until
        self._known: dict[str, _Opened] = {}

    @property
    def inner(self) -> BackendStore:
        """The earlier backend.

        Raises:
            ConfigError: Its class cannot be loaded, or is no state backend.
        """
        return self._open().inner

    def read(self, kind: str, stored: str, caller: Caller | None) -> Any:  # noqa: ANN401 - any JSON document
        """Return the value for which the database keeps `stored`, of which one warning record is made.

        Args:
            kind: `task` or `asset`, by which hook got it.
            stored: A ref of the earlier backend, or the JSON text of a value that it did not take.
            caller: The running task, whose value it must then be, or that of an asset which it declares.

        Raises:
            ManifestRefusedError: `migrate_until` is over.
            MalformedRefError: It is neither JSON nor a place under the earlier backend's base.
            RefMismatchError: It is the place of another kind or scope.
            ObjectNotFoundError: Nothing is kept there.
            StoreError: The earlier backend failed.
        """
        self._refuse_late()
        value = _inline(stored)
        if value is not _NONE:
            warn("fallback used", kind=kind, until=self._until.isoformat())
            return value
        value = self._fetch(kind, stored, None if caller is None else caller.scopes(kind))
        if unarmoured(value) is not None:
            raise StoreConflictError("the layers wrote this again since its row was read; try again", locator=stored)
        warn("fallback used", kind=kind, ref=stored, until=self._until.isoformat())
        return value

    def expect(self, kind: str, stored: str, scopes: Iterable[StateScope], key: str) -> None:
        """Refuse what is not at the address that was asked for, as far as the layout tells.

        Args:
            kind: `task` or `asset`.
            stored: As for `read`.
            scopes: The scope that was asked for, by each of its names.
            key: The key that was asked for.

        Raises:
            UnsealedValueError: It is the JSON text of a value, which has no address.
            MalformedRefError: It is no place under the earlier backend's base.
            RefMismatchError: It is the place of another kind, scope or key.
        """
        if _inline(stored) is not _NONE:
            raise UnsealedValueError(_NO_ADDRESS)
        self._open().places.admit(kind, stored, scopes, key)

    def read_row(self, stored: str, scope: StateScope, key: str) -> Any:  # noqa: ANN401 - any JSON document
        """Return what is kept for a row whose scope and key are known; neither the date nor a record concerns a move.

        What a wrapped backend keeps since the row was written may be the sealed text itself; otherwise as `read`.
        """
        return self._fetch(scope.kind, stored, (scope,), key) if (value := _inline(stored)) is _NONE else value

    def owns(self, stored: str, scope: StateScope) -> bool:
        """Tell whether the place that a ref names is one of this scope's."""
        try:
            self._open().places.admit(scope.kind, stored, (scope,))
        except RefError:
            return False
        return True

    def delete(self, scope: Any, key: str) -> None:  # noqa: ANN401 - the host's
        """Remove what the earlier backend keeps of a key, after the date as well."""
        inner, owner = self._holder(self._open(), scope, key)
        if inner is not None:
            inner.call("delete", owner, key)

    def clear(self, scope: Any, *, all_map_indices: bool = False) -> None:  # noqa: ANN401 - the host's
        """Remove what the earlier backend keeps of a scope, after the date as well."""
        inner, owner = self._holder(self._open(), scope)
        if inner is not None:
            inner.call("clear", owner, all_map_indices=all_map_indices or None)

    async def adelete(self, scope: Any, key: str) -> None:  # noqa: ANN401 - the host's
        """Do what `delete` does, by the earlier backend's own twin."""
        inner, owner = self._holder(await in_thread(self._open), scope, key)
        if inner is not None:
            await inner.acall("adelete", owner, key)

    async def aclear(self, scope: Any, *, all_map_indices: bool = False) -> None:  # noqa: ANN401 - the host's
        """Do what `clear` does, by the earlier backend's own twin."""
        inner, owner = self._holder(await in_thread(self._open), scope)
        if inner is not None:
            await inner.acall("aclear", owner, all_map_indices=all_map_indices or None)

    def _holder(
        self,
        opened: _Opened,
        scope: Any,  # noqa: ANN401 - the host's
        key: str | None = None,
    ) -> tuple[BackendStore | None, Owner]:
        """Return the earlier backend, None where it cannot keep anything of such a name, and the owner."""
        owner = owner_of(scope)
        return (opened.inner if opened.places.may_hold(owner.scope, key) else None), owner

    def _refuse_late(self) -> None:
        if today() > self._until:
            raise ManifestRefusedError(
                f"[{SECTION}] migrate_until, {self._until.isoformat()}, is over, and this was written by "
                "fallback_backend; run `lamella airflow migrate`, or set a later date"
            )

    def _fetch(self, kind: str, stored: str, scopes: Iterable[StateScope] | None, key: str | None = None) -> Any:  # noqa: ANN401 - any JSON document
        inner, places = self._open()
        places.admit(kind, stored, scopes, key)
        value = inner.fetch(kind, stored, stored)
        if value is None:
            raise ObjectNotFoundError("fallback_backend keeps nothing there any more", locator=stored)
        return value

    def _open(self) -> _Opened:
        return self._known.get("opened") or self._known.setdefault("opened", self._load())

    def _load(self) -> _Opened:
        from airflow.sdk.configuration import conf  # noqa: PLC0415 - with the earlier backend alone

        label = f"[{SECTION}] fallback_backend"
        inner = BackendStore.loaded(label, self._path)
        kind = type(inner.inner)
        base = self._base or conf.get(_COMMON_IO, "state_store_objectstorage_path", fallback="")
        if f"{kind.__module__}.{kind.__qualname__}" != _LAID_OUT:
            return _Opened(inner, Places(base.rstrip("/"), is_laid_out=False))
        from airflow.sdk import ObjectStoragePath  # noqa: PLC0415 - likewise

        compression = conf.get(_COMMON_IO, "state_store_objectstorage_compression", fallback="")
        codecs = import_module("fsspec.utils").compressions
        suffixes = {codec: f".{suffix}" for suffix, codec in codecs.items()}
        # Its refs begin with the base as its class of paths spells it.
        spelt = str(ObjectStoragePath(base)) if base else ""
        inferred = frozenset(f".{suffix}" for suffix in codecs)
        places = Places(spelt, is_laid_out=True, suffix=suffixes.get(compression, ""), inferred=inferred)
        return _Opened(inner, places)


def _inline(stored: str) -> Any:  # noqa: ANN401 - any JSON document
    """Return the value of a JSON text, which no URL is; `_NONE` where it is none."""
    try:
        return load_document(stored)
    except InvalidValueError:
        return _NONE
