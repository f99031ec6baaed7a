"""The edge of the flow: a plugin's own exception becomes a named error, the caller's own passes as it is."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from lamella.errors import IntegrityError, LamellaError, StoreError
from lamella.interruption import interruption

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from lamella.protocols.layer import Payload

__all__ = ["caller_side", "caller_source", "decoding", "encoding", "storing"]


class _CallerError(Exception):
    """Carries an exception of the caller's own source or target through the layers."""


@contextmanager
def caller_side() -> Iterator[None]:
    """Mark what the caller's own source or target raises, so that it is not taken for a plugin's."""
    try:
        yield
    except Exception as error:  # whatever the caller's file raises is the caller's to see
        raise _CallerError from error


def caller_source(source: Payload) -> Payload:
    """Yield the segments of the caller's own source."""
    with caller_side():
        yield from source


class _Edge(AbstractContextManager[None]):
    __slots__ = ("_locator",)

    def __init__(self, locator: str) -> None:
        self._locator = locator

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.judge(error)

    def judge(self, error: BaseException) -> None:
        """Raise what an exception is known by; return where it may pass as it is.

        For the calls that every value makes: entering a `with` statement costs more than not being in one.
        """
        if isinstance(error, _CallerError) and error.__cause__ is not None:
            raise error.__cause__
        raised = interruption(error)
        if raised is error:
            return
        if raised is not None:
            raise raised from raised.__cause__
        if isinstance(error, LamellaError):
            error.locator = error.locator or self._locator
        elif isinstance(error, Exception) and not isinstance(error, MemoryError):
            raise self._named(error) from None

    @abstractmethod
    def _named(self, error: Exception) -> LamellaError:
        """Name a plugin's own exception."""


class encoding(_Edge):  # noqa: N801 - reads as a word in a with statement
    """A write: a plugin that fails is named by the kind of its exception, whose text may hold a plaintext."""

    def _named(self, error: Exception) -> LamellaError:
        return LamellaError(
            f"a layer or store failed with {type(error).__name__}; the old value is there, or the new one; "
            "report it to its authors",
            locator=self._locator,
        )


class decoding(_Edge):  # noqa: N801 - reads as a word in a with statement
    """A read: whatever a layer chokes on is not what was written."""

    def _named(self, error: Exception) -> LamellaError:
        del error  # Its text may hold what was decoded.
        return IntegrityError(locator=self._locator)


class storing(_Edge):  # noqa: N801 - reads as a word in a with statement
    """A call of a store beside a write: its own exception is named by its kind."""

    def _named(self, error: Exception) -> LamellaError:
        return StoreError(
            f"the store failed with {type(error).__name__}; try again, and report it to its authors",
            locator=self._locator,
        )
