"""A store that serves what the fuzzer says, and the stacks that read from it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, ClassVar, Final

from harness import KEYRING, LIMITS, refused

from lamella.errors import ConfigError, ObjectNotFoundError, StoreConflictError
from lamella.policy import Policy
from lamella.protocols.store import Store, StoredObject, Version
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella.testing.payloads import cut
from lamella_layers.chunk.fixed import Chunk
from lamella_layers.compress.zstd import Zstd
from lamella_layers.encrypt.cobblestone256 import Cobblestone256
from lamella_layers.pad.padme import Padme

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Self

    from lamella.protocols.layer import Payload, Segment
    from lamella.protocols.store import Condition

__all__ = ["ADDRESS", "SEALED", "STORE", "UNSEALED", "get", "get_at", "stream"]

ADDRESS: Final = Address(TaskScope("etl", "manual__2026-01-01T00:00:00+00:00", "load"), "cursor")
"""Where most vectors of whole objects were written."""


class HostileStore(Store):
    """Serves one head and some parts, whatever locator is asked for."""

    scheme: ClassVar[str] = "hostile"

    def __init__(self) -> None:
        """Serve nothing yet."""
        self.serve(b"", ())

    def serve(self, head: bytes, parts: Sequence[bytes], *, cut_bytes: int = 0, restless: bool = False) -> None:
        """Serve these bytes from now on, in pieces of `cut_bytes`, under a new version each time if `restless`."""
        self._head, self._parts, self._cut_bytes, self._restless = head, parts, cut_bytes, restless
        self._gets = 0

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> Self:
        """Refuse to be configured."""
        del url, options
        raise ConfigError("the hostile store is made by fuzz targets only")

    def get(self, locator: str) -> tuple[Version, Payload]:
        """Return the head, or the part of the number that ends the locator."""
        self._gets += self._restless
        body = self._head
        if locator.startswith("p1/"):
            number = int(locator[-8:])
            if number >= len(self._parts):
                raise ObjectNotFoundError("the hostile store has no such part", locator=locator)
            body = self._parts[number]
        return Version(str(self._gets)), iter(cut(body, self._cut_bytes or len(body) or 1))

    def put(self, locator: str, source: Iterable[Segment], *, if_version: Condition = None) -> Version:
        """Refuse."""
        del source, if_version
        raise StoreConflictError("the hostile store takes nothing", locator=locator)

    def delete(self, locator: str, *, if_version: Version | None = None) -> None:
        """Say that it is done."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """List each part under its generation, and under a name of its own making."""
        for number, body in enumerate(self._parts):
            yield StoredObject(f"{prefix}{body[:16].hex()}/{number:08d}", len(body), 0)
            yield StoredObject(prefix + body[:64].decode("latin-1"), len(body), 0)


STORE: Final = HostileStore()
SEALED: Final = Stack([Zstd(), Padme(), Cobblestone256(), Chunk()], STORE, KEYRING, limits=LIMITS)
UNSEALED: Final = Stack([], STORE, KEYRING, limits=LIMITS, policy=Policy(allow_plaintext=True))


def get(stack: Stack) -> Any:  # noqa: ANN401 - a JSON value, or that it was refused
    """Read by the ref of the address, as a value."""
    return refused(stack.get, _ref(stack))


def get_at(stack: Stack) -> Any:  # noqa: ANN401 - a JSON value, or that it was refused
    """Read by the address, as a value."""
    return refused(stack.get_at, ADDRESS)


def stream(stack: Stack) -> Any:  # noqa: ANN401 - the bytes, or that it was refused
    """Read by the ref of the address, as bytes."""

    def streamed() -> bytes:
        target = io.BytesIO()
        stack.get_into(_ref(stack), target)
        return target.getvalue()

    return refused(streamed)


def _ref(stack: Stack) -> str:
    return stack.engine.ref(stack.engine.place(ADDRESS), None)
