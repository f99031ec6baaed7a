"""What a layer is: one reversible step with a name and a wire version.

A layer is a frozen, slotted, keyword-only dataclass whose fields are its settings. It is registered under its `name` in
the entry-point group `lamella.layers`, and proved by `lamella.testing.LayerContract`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from lamella.errors import ManifestRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from lamella.limits import Limits
    from lamella.protocols.key_provider import ValueKeys

__all__ = ["BytesLayer", "Entry", "FactBlock", "Layer", "LayerContext", "Payload", "Role", "Segment", "SplitLayer"]

Segment = bytes | memoryview
"""A piece of a payload, about 1 MiB at most. Whoever receives it may keep it; nobody changes it."""

Payload = Iterator[Segment]


class Role:
    """What a layer does to a payload, as far as the order of a stack depends on it."""

    COMPRESS = "compress"
    PAD = "pad"
    ENCRYPT = "encrypt"
    SPLIT = "split"
    OTHER = "other"


class Entry(NamedTuple):
    """One layer of a manifest: what decoding needs, and nothing that is decided per value.

    Attributes:
        name: The registered name, `[a-z][a-z0-9_]{0,31}`.
        version: The wire version, 1 to 255.
        params: Sorted pairs; names like `name`, values `[A-Za-z0-9_-]{1,64}`.
    """

    name: str
    version: int
    params: tuple[tuple[str, str], ...] = ()


class FactBlock(NamedTuple):
    """The clear facts of one seal, kept in the envelope's header.

    Attributes:
        position: The index of the seal in the manifest, 0 to 255.
        suite: The registered number of the algorithm, 0 to 255.
        mode: The key mode, 0 for a key of the value's own.
        flags: Reserved, 0.
        key_id: The id of the data key that wraps the value's key, 8 bytes.
        wrapped_key: The value's key under AES-KW, 40 bytes.
        hedge: What keeps a repeated salt from repeating a key, 16 bytes.
        sealed_at: Milliseconds since 1970-01-01 UTC, an unsigned 64-bit integer.

    Source: docs/format.md, "Fact block".
    """

    position: int
    suite: int
    mode: int
    flags: int
    key_id: bytes
    wrapped_key: bytes
    hedge: bytes
    sealed_at: int


class LayerContext:
    """What one layer may know while it encodes or decodes one value.

    Attributes:
        position: The index of the layer in the manifest.
        limits: The ceilings to hold.
        keys: Where a seal gets keys from.
        facts: The seal's facts: set by the first `encode` of a write, given to every `decode`.
        key: The plain key behind `facts`, kept for the parts of one value; never shown.
        bind: Gives the binding for the seal's facts, bytes that an AEAD must authenticate.
    """

    __slots__ = ("bind", "facts", "key", "keys", "limits", "position")

    def __init__(
        self,
        position: int,
        limits: Limits,
        keys: ValueKeys,
        bind: Callable[[FactBlock], bytes],
        facts: FactBlock | None = None,
    ) -> None:
        """Seat a layer at its position."""
        self.position = position
        self.limits = limits
        self.keys = keys
        self.bind = bind
        self.facts = facts
        self.key: bytes | None = None

    def __repr__(self) -> str:
        """Show the position only: the context holds keys."""
        return f"LayerContext(position={self.position})"


class Layer(ABC):
    """What both kinds of layer share.

    Attributes:
        name: The registered name.
        version: The wire version that `encode` writes.
        role: One of `Role`.
        strength: 0 for a layer that does not seal; else the strength class of the seal. 200 is a committing
            AEAD with a 256-bit key. A read may replace a seal only by one of at least its class.
    """

    # __slots__ keeps the frozen dataclasses below it without a __dict__.
    __slots__ = ()

    name: ClassVar[str]
    version: ClassVar[int] = 1
    role: ClassVar[str] = Role.OTHER
    strength: ClassVar[int] = 0

    def entry(self) -> Entry:
        """Describe this layer in a manifest; override it where decoding needs parameters."""
        return Entry(self.name, self.version)

    @classmethod
    def from_entry(cls, entry: Entry) -> Self:
        """Build the layer that decodes what `entry` describes, whatever today's settings are.

        Raises:
            ManifestRefusedError: This release does not read that version or those parameters.
        """
        if entry.version != cls.version or entry.params:
            raise ManifestRefusedError(
                f"layer {entry.name!r}: version {entry.version} or its parameters are unknown here; upgrade Lamella",
                layer=entry.name,
            )
        return cls()


class BytesLayer(Layer):
    """A layer from bytes to bytes: a stream transformer that holds a segment or two, never a whole payload.

    Nothing that it yields first may depend on the end of its source. A seal pulls its first segment, sets
    `context.facts`, and only then yields.
    """

    __slots__ = ()

    @abstractmethod
    def encode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield the encoded payload; `decode` of it gives the bytes of `source` back.

        Raises:
            LimitExceededError: A ceiling of `context.limits` is passed.
        """

    @abstractmethod
    def decode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield the payload that was encoded; raise on anything that `encode` could not have written.

        Raises:
            IntegrityError: `source` is cut, extended or altered.
            LimitExceededError: A ceiling of `context.limits` is passed.
        """

    def encode_whole(self, payload: Segment, context: LayerContext) -> bytes:
        """Return what `encode` yields for a payload of one segment; override it only to be faster."""
        return b"".join(self.encode(iter((payload,)), context))

    def decode_whole(self, payload: Segment, context: LayerContext) -> bytes:
        """Return what `decode` yields for a small payload; override it only to be faster.

        Raises:
            LimitExceededError: The result is longer than the payload and than `limits.max_value_bytes`.
        """
        held: list[Segment] = []
        size_bytes = 0
        for segment in self.decode(iter((payload,)), context):
            size_bytes += len(segment)
            if size_bytes > len(payload):
                context.limits.check_value(size_bytes)
            held.append(segment)
        return b"".join(held)


class SplitLayer(Layer):
    """A layer from bytes to parts; a stack has one at most. The flow owns parts, head and commit."""

    __slots__ = ()

    role: ClassVar[str] = Role.SPLIT
    part_bytes: int

    @abstractmethod
    def split(self, source: Payload) -> Iterator[Payload]:
        """Yield the parts; each is used up before the next is asked for. No source gives no part."""
