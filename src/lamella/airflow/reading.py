"""How what a row holds becomes a value, or one named error and one warning record.

Source: docs/airflow.md, "Who asked?".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lamella.airflow.audit import warn
from lamella.airflow.caller import refuse_foreign, refuse_other, scopes_of
from lamella.errors import (
    IntegrityError,
    InvalidValueError,
    KeyringError,
    LamellaError,
    LimitExceededError,
    MalformedRefError,
    ManifestRefusedError,
    ObjectNotFoundError,
    RefError,
    StoreConflictError,
    UnsealedValueError,
)
from lamella.policy import admit
from lamella.state.values import is_ref, load_document, read_by_ref

if TYPE_CHECKING:
    from lamella.airflow.caller import Caller
    from lamella.airflow.fallback import Fallback
    from lamella.scope import Address
    from lamella.stack import Stack

__all__ = ["Reader"]

_REFUSALS: Final = (
    *(RefError, IntegrityError, KeyringError, LimitExceededError),
    *(ObjectNotFoundError, StoreConflictError),
)
_GONE: Final = (
    "the row refers to an object that is gone. Airflow leaves such a row when a worker dies, or its task is marked "
    "failed, between the two steps of clear_on_success: set the value again, delete the key, or read None with "
    "[lamella] missing_object = none"
)
_PLAIN: Final = (
    "the row holds what no backend sealed; if rows from before are meant to be read for a while, set "
    "[lamella] accept_plaintext_until = YYYY-MM-DD, or fallback_backend for those of an earlier backend"
)
_NEITHER: Final = (
    "the row holds neither a ref of Lamella nor a JSON text; set [lamella] fallback_backend if an earlier backend "
    "wrote it, else look for a row that was planted"
)
_UNSEALED: Final = (
    "the row holds a value as it is, so it did not pass through the state backend: it was written before Lamella was "
    "configured, or planted through Airflow's API; set it again, or set [lamella] accept_plaintext_until = YYYY-MM-DD"
)


class Reader(NamedTuple):
    """What the read hooks read with.

    Attributes:
        stack: The stack of the worker's side.
        missing_object: `raise` or `none`.
        fallback: What reads the values of an earlier backend, where one is configured.
    """

    stack: Stack
    missing_object: str
    fallback: Fallback | None

    def check(self, kind: str, stored: Any, caller: Caller | None, expected: Address | None = None) -> None:  # noqa: ANN401 - what a row held
        """Refuse, before anything is fetched, what does not belong to the one who asks.

        Args:
            kind: `task` or `asset`.
            stored: What the row holds.
            caller: The running task, where one runs.
            expected: The address that was asked for, where that is known.

        Raises:
            RefError: It is no text, or its ref is malformed, forged or of another address, or it is the value itself.
        """
        try:
            if not isinstance(stored, str):
                raise MalformedRefError(f"Airflow's envelope holds a {type(stored).__name__}, not the text of a ref")
            if is_ref(stored):
                engine = self.stack.engine
                place = engine.verify(stored).place
                if expected is not None:
                    refuse_other(engine, place, expected)
                if caller is not None:
                    refuse_foreign(engine, place, caller)
            elif expected is not None and self.fallback is not None:
                self._expect_place(self.fallback, kind, stored, expected)
        except _REFUSALS as error:
            _record(error, kind, caller, expected)
            raise

    def open(self, kind: str, stored: str, caller: Caller | None) -> Any:  # noqa: ANN401 - any JSON document
        """Return the value of what was checked; None only for an object that is gone, where that is configured."""
        try:
            if is_ref(stored):
                return read_by_ref(self.stack, kind, stored)
            return self._open_other(kind, stored, caller)
        except ObjectNotFoundError as error:
            if self.missing_object == "none":
                warn("read None for an object that is gone", kind=kind, locator=error.locator, **_facts(caller))
                return None
            _record(error, kind, caller)
            raise ObjectNotFoundError(_GONE, locator=error.locator) from None
        except _REFUSALS as error:
            _record(error, kind, caller)
            raise

    def admit_unsealed(self, kind: str, caller: Caller | None, expected: Address) -> None:
        """Admit a value that Airflow returned without calling a hook, as far as the policy accepts plaintext.

        Raises:
            UnsealedValueError: It does not, whatever today's layers are.
        """
        if not self._accepts_plaintext(1):
            error = UnsealedValueError(_UNSEALED)
            _record(error, kind, caller, expected)
            raise error
        warn("read what is not sealed", kind=kind, **_facts(caller, expected))

    def _expect_place(self, fallback: Fallback, kind: str, stored: str, expected: Address) -> None:
        """Hold what an earlier backend may have written to the address that was asked for."""
        try:
            fallback.expect(kind, stored, scopes_of(expected), expected.key)
        except UnsealedValueError:
            if not self._accepts_plaintext(1):
                raise

    def _open_other(self, kind: str, stored: str, caller: Caller | None) -> Any:  # noqa: ANN401 - any JSON document
        """Return the value of what is no ref of ours: an earlier backend's ref, or a JSON text."""
        accepted, fallback = self._accepts_plaintext(), self.fallback
        if fallback is not None:
            try:
                return fallback.read(kind, stored, caller)
            except ManifestRefusedError:  # Its time is over.
                if not accepted:
                    raise
        if not accepted:
            raise ManifestRefusedError(_PLAIN)
        # Never the read hook of a wrapped backend: what is no ref of ours may lead it anywhere.
        value = _load_plain(stored)
        if value is None:
            raise ObjectNotFoundError(_GONE)
        warn("read what is not sealed", kind=kind, **_facts(caller))
        return value

    def _accepts_plaintext(self, at_least: int = 0) -> bool:
        engine = self.stack.engine
        try:
            admit(0, max(at_least, engine.plan.strongest), engine.policy)
        except ManifestRefusedError:
            return False
        return True


def _load_plain(stored: str) -> Any:  # noqa: ANN401 - any JSON document
    try:
        return load_document(stored)
    except InvalidValueError as error:
        raise MalformedRefError(_NEITHER) from error


def _record(error: LamellaError, kind: str, caller: Caller | None, expected: Address | None = None) -> None:
    """Make the one record of a refusal."""
    facts = {"locator": error.locator, "key_id": error.key_id, **_facts(caller, expected)}
    warn("refused to read state", reason=type(error).__name__, kind=kind, **facts)


def _facts(caller: Caller | None, expected: Address | None = None) -> dict[str, object]:
    """Name the task that runs and the key that was asked for, as far as they are known."""
    task = {} if caller is None else caller.facts()
    return task if expected is None else {**task, "key": expected.key}
