"""What every fuzz target stands on: fixed keys, one verdict on errors, and the start under atheris."""

from __future__ import annotations

import gc
import json
import resource
import sys
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from lamella.errors import LamellaError
from lamella.flow.edge import decoding
from lamella.flow.stream import gather
from lamella.keys.document import unpack
from lamella.keys.keyring import Keyring
from lamella.limits import Limits
from lamella.testing.payloads import cut

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from lamella.protocols.layer import BytesLayer, LayerContext, Segment

__all__ = [
    "KEYRING",
    "LIMITS",
    "REFUSED",
    "VECTORS",
    "Fields",
    "decode_both_ways",
    "ragged",
    "refused",
    "same",
    "start",
    "vector",
]

VECTORS: Final = Path(__file__).parents[1] / "tests" / "vectors"

LIMITS: Final = Limits(max_value_bytes=4 * 1024**2, max_stream_bytes=4 * 1024**2, max_parts=1024)
"""Small ceilings, so that no single input keeps a target busy."""

REFUSED: Final = object()
"""What `refused` returns for a named error."""

_ADDRESS_SPACE_BYTES: Final = 4 * 1024**3
_PACKAGES: Final = ("lamella", "lamella_layers")


def vector(family: str, name: str) -> Any:  # noqa: ANN401 - a JSON document
    """Return one accepted vector of a family."""
    return json.loads((VECTORS / family / "accept" / f"{name}.json").read_text(encoding="utf-8"))


KEYRING: Final = Keyring(unpack(vector("object", "recommended")["keyring"]))
"""The keys of the vectors, which anyone can compute."""


class Fields:
    """Takes fields off the front of the fuzzer's bytes; what is missing is zero or empty."""

    def __init__(self, data: bytes) -> None:
        """Start at the first byte."""
        self._rest = data

    def byte(self) -> int:
        """Take a number from 0 to 255."""
        return int.from_bytes(self._take(1), "big")

    def block(self) -> bytes:
        """Take bytes that stand behind their length, 2 bytes, big-endian."""
        return self._take(int.from_bytes(self._take(2), "big"))

    def blocks(self) -> list[bytes]:
        """Take blocks up to the end."""
        taken = []
        while self._rest:
            taken.append(self.block())
        return taken

    def rest(self) -> bytes:
        """Take all that is left."""
        return self._take(len(self._rest))

    def _take(self, size_bytes: int) -> bytes:
        taken, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        return taken


def refused(call: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - whatever the call takes and gives
    """Return what a call gives, or `REFUSED` where it raised a named error; any other error is a finding."""
    try:
        return call(*arguments)
    except LamellaError:
        return REFUSED


def same(one: object, other: object, claim: str) -> None:
    """Hold two results to each other.

    Raises:
        AssertionError: They differ, which is a finding.
    """
    if one != other:
        raise AssertionError(claim)


def ragged(data: bytes) -> list[Segment]:
    """Cut bytes into pieces of an odd size, some hundred at most."""
    return cut(data, max(1 + len(data) % 61, len(data) // 256))


def decode_both_ways(layer: BytesLayer, encoded: bytes, context: Callable[[], LayerContext]) -> Any:  # noqa: ANN401 - the bytes, or that they were refused
    """Decode as a whole and as streams, and return the plain bytes or `REFUSED`, on which all have to agree."""
    whole = refused(layer.decode_whole, encoded, context())
    for pieces in ([encoded], [b"", *ragged(encoded)]):
        streamed = refused(lambda pieces=pieces: bytes(gather(layer.decode(iter(pieces), context()), LIMITS)))
        same(whole, streamed, "a payload decodes differently as a whole and as a stream")
    return whole


def start(atheris: ModuleType, one_input: Callable[[bytes], None]) -> None:
    """Hand a target to libFuzzer, with memory bounded and every function of the project instrumented.

    What a layer chokes on is a finding here, although the flow would give it a name.
    """
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE_BYTES, _ADDRESS_SPACE_BYTES))
    decoding._named = _unnamed  # type: ignore[assignment,method-assign]  # noqa: SLF001 - the edge is opened on purpose, see above
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and str(function.__module__).partition(".")[0] in _PACKAGES:
            atheris.instrument_func(function)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


def _unnamed(edge: decoding, error: Exception) -> LamellaError:
    del edge
    raise error
