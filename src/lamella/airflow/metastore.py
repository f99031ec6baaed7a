"""The server's side: what `[state_store] backend` names, and the Execution API calls.

The sealed value stands in the row itself, as a JSON string: a ref that carries its object. So writer columns, expiry
and clean-up are Airflow's own, deleting a row deletes the value, and the REST API and the UI show the ref.

Source: docs/airflow.md, "Which side" and "Rows that bypass the backend".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.state.metastore import MetastoreBackend

from lamella.airflow.audit import warn
from lamella.airflow.settings import MAX_ROW_BYTES, open_metastore_stack
from lamella.errors import (
    ConfigError,
    IntegrityError,
    KeyVersionNotFoundError,
    LimitExceededError,
    ManifestRefusedError,
    RefError,
)
from lamella.scope import Address
from lamella.state.layered import LayeredStateBackend
from lamella.state.scopes import owner_of
from lamella.state.thread import in_thread
from lamella.state.values import QUOTED_REF, get_text, put_text

if TYPE_CHECKING:
    from lamella.stack import Stack

__all__ = ["LamellaMetastoreBackend"]


class LamellaMetastoreBackend(MetastoreBackend):  # type: ignore[misc]  # The host's base class is untyped here.
    """Seals what Airflow keeps of task and asset state in the metadata database.

    Every method that takes or gives a value does the layers' work and leaves the row to Airflow; those that remove rows
    are Airflow's own. Cheap to make: the stack is opened by its first use, in the process that uses it.
    """

    has_layers: ClassVar[bool] = True

    def __init__(self) -> None:
        """Read nothing yet."""
        super().__init__()
        self._layers = LayeredStateBackend(open_metastore_stack)

    def get(self, scope: Any, key: str, **options: Any) -> str | None:  # noqa: ANN401 - the host's
        """Return the text that was set, None where there is no row.

        Raises:
            ManifestRefusedError: The row is not sealed, or not as today's policy wants it.
            RefError: It was sealed for another scope or key, or under another keyring.
            KeyringError: A key is missing, disabled or destroyed.
            IntegrityError: It was altered.
        """
        return self._opened(scope, key, super().get(scope, key, **options))

    def set(self, scope: Any, key: str, value: str, **options: Any) -> None:  # noqa: ANN401 - the host's
        """Seal a text into its row.

        Raises:
            LimitExceededError: It is larger than a row may hold.
        """
        super().set(scope, key, self._sealed(scope, key, value), **options)

    def set_asset_state_store(self, scope: Any, key: str, value: str, **options: Any) -> None:  # noqa: ANN401 - the host's
        """Seal an asset's text into its row, and record who wrote it; raises as `set` does."""
        super().set_asset_state_store(scope, key, self._sealed(scope, key, value), **options)

    async def aget(self, scope: Any, key: str, **options: Any) -> str | None:  # noqa: ANN401 - the host's
        """Do what `get` does, the layers' work in a thread."""
        return await in_thread(self._opened, scope, key, await super().aget(scope, key, **options))

    async def aset(self, scope: Any, key: str, value: str, **options: Any) -> None:  # noqa: ANN401 - the host's
        """Do what `set` does, the layers' work in a thread."""
        await super().aset(scope, key, await in_thread(self._sealed, scope, key, value), **options)

    async def aset_asset_state_store(self, scope: Any, key: str, value: str, **options: Any) -> None:  # noqa: ANN401 - the host's
        """Do what `set_asset_state_store` does, the layers' work in a thread."""
        sealed = await in_thread(self._sealed, scope, key, value)
        await super().aset_asset_state_store(scope, key, sealed, **options)

    def serialize_task_state_store_to_ref(self, *_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - the host's
        """Refuse to be the worker's side: Airflow's own hooks send and take the value itself.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            "lamella.airflow.LamellaMetastoreBackend is for [state_store] backend; "
            "set [workers] state_store_backend to lamella.airflow.LamellaStateBackend, or to nothing"
        )

    serialize_asset_state_store_to_ref = serialize_task_state_store_to_ref
    deserialize_task_state_store_from_ref = serialize_task_state_store_to_ref
    deserialize_asset_state_store_from_ref = serialize_task_state_store_to_ref

    @property
    def stack(self) -> Stack:
        """The stack under this backend.

        Raises:
            ConfigError: It cannot be built.
            KeyringError: Its keyring cannot be opened.
        """
        return self._layers.stack

    def _sealed(self, scope: Any, key: str, text: str) -> str:  # noqa: ANN401 - the host's
        try:
            return f'"{put_text(self.stack, Address(owner_of(scope).scope, key), text)}"'
        except LimitExceededError as error:
            raise LimitExceededError(
                f"the value's JSON has {len(text)} characters, and sealed it would be longer than the "
                f"{MAX_ROW_BYTES} bytes that a row of the metadata database may hold; keep large values outside: set "
                "[workers] state_store_backend to lamella.airflow.LamellaStateBackend"
            ) from error

    def _opened(self, scope: Any, key: str, text: str | None) -> str | None:  # noqa: ANN401 - the host's
        if text is None:
            return None
        address = Address(owner_of(scope).scope, key)
        facts = {"kind": address.scope.kind, "scope": address.scope, "key": key}
        try:
            if text.startswith(QUOTED_REF):
                return get_text(self.stack, address, text[1:-1])
            self._admit_plaintext()
        except (RefError, KeyVersionNotFoundError, IntegrityError) as error:
            warn("refused to read state", reason=type(error).__name__, **facts)
            raise
        warn("read what is not sealed", **facts)
        return text

    def _admit_plaintext(self) -> None:
        try:
            self.stack.engine.require(0)
        except ManifestRefusedError:
            raise ManifestRefusedError(
                "the row is not sealed: it was written before this backend was set, or past it by the REST API, the UI "
                "or airflowctl; write it again through a task, or set [lamella] accept_plaintext_until for a while"
            ) from None
