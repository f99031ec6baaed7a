"""A store that fails, dies or lies at a chosen moment, around any other store."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lamella.errors import StoreUnavailableError
from lamella.protocols.store import ForwardingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamella.protocols.layer import Payload, Segment
    from lamella.protocols.store import Condition, Store, StoredObject, Version

__all__ = ["FaultyStore"]

_T = TypeVar("_T")


class FaultyStore(ForwardingStore):
    """Passes every call on to `inner`, and counts its steps.

    A step is a call of `put`, `get`, `delete` or `list`, or one pull of a segment from the source of a `put` or from
    the stream of a `get`. Run a scenario once without a fault to learn how many `steps` it has, then once for each of
    them with `fail_at`.

    Attributes:
        calls: The method and the locator or prefix of every call, in order.
        steps: How many steps there were; one thread at a time may count.
    """

    def __init__(
        self,
        inner: Store,
        *,
        fail_at: int | None = None,
        fault: BaseException | Callable[[], object] | None = None,
        after: bool = False,
        mutate: Callable[[str, bytes], bytes] | None = None,
    ) -> None:
        """Choose the fault.

        Args:
            inner: The store that does the work.
            fail_at: The step that fails, from 1; None for none.
            fault: What is raised then, or called; an unavailable store unless it is given.
            after: Fail when the step has taken effect, not before.
            mutate: Gets the locator and the bytes of every object that is read, and returns what the reader gets.
        """
        super().__init__(inner)
        self.calls: list[tuple[str, str]] = []
        self.steps = 0
        self._fail_at = fail_at
        self._fault = fault or StoreUnavailableError("an injected fault; nothing is wrong with the store itself")
        self._after = after
        self._mutate = mutate

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Put through; the source is pulled step by step."""
        return self._call("put", locator, lambda: self._inner.put(locator, self._pulled(source), if_version=if_version))

    def get(self, locator: str) -> tuple[Version, Payload]:
        """Get through; the stream is pulled step by step."""
        version, payload = self._call("get", locator, lambda: self._inner.get(locator))
        if self._mutate is not None:
            payload = iter((self._mutate(locator, b"".join(payload)),))
        return version, self._pulled(payload)

    def delete(self, locator: str, *, if_version: Version | None = None) -> None:
        """Delete through."""
        self._call("delete", locator, lambda: self._inner.delete(locator, if_version=if_version))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """List through."""
        return self._call("list", prefix, lambda: self._inner.list(prefix))

    def _call(self, method: str, locator: str, call: Callable[[], _T]) -> _T:
        self.calls.append((method, locator))
        return self._step(call)

    def _pulled(self, source: Iterable[Segment]) -> Iterator[Segment]:
        segments = iter(source)
        while (segment := self._step(lambda: next(segments, None))) is not None:
            yield segment

    def _step(self, call: Callable[[], _T]) -> _T:
        self.steps += 1
        due = self.steps == self._fail_at
        if due and not self._after:
            self._fail()
        result = call()
        if due and self._after:
            self._fail()
        return result

    def _fail(self) -> None:
        if isinstance(self._fault, BaseException):
            raise self._fault
        self._fault()
