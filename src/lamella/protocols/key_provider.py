"""Where a keyring document comes from, and what a layer may ask of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from lamella.errors import KeyringError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["KeyProvider", "ValueKey", "ValueKeys"]


class KeyProvider(ABC):
    """A place that holds a keyring document: one line of ASCII text.

    Attributes:
        name: The registered name, which begins its spec (`file:keyring.lamella`).
        writable: Whether `save` works.
    """

    name: ClassVar[str]
    writable: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def from_spec(cls, rest: str) -> Self:
        """Build the provider from what follows `name:` in a keyring spec, without reading anything.

        Raises:
            ConfigError: The spec cannot be a place of this kind.
        """

    @abstractmethod
    def load(self) -> str:
        """Return the document; any other exception is taken as a defect.

        Raises:
            KeyringError: It is missing, or others could read it.
            KeyProviderUnavailableError: The place does not answer.
        """

    def save(self, document: str, *, replace: bool) -> None:
        """Keep the document, atomically and durably.

        With `replace` it takes the place of the document of the same keyring one epoch earlier, compared and replaced
        as one step, so that of two edits at once one fails; without it there must be none.

        Raises:
            KeyringError: This place is read-only, or holds another document than the one that is followed.
        """
        del document, replace
        raise KeyringError(f"keyrings of {self.name!r} are read-only; change the document where it is kept")


class ValueKey(NamedTuple):
    """The key of one value, plain and wrapped, and the hedge of its seal.

    Attributes:
        key_id: The id of the data key that wraps it, 8 bytes.
        wrapped_key: It under AES-KW, 40 bytes.
        key: The key itself, 32 bytes.
        hedge: 16 bytes that differ while any of RNG, pid, clock, counter and first segment differ.
    """

    key_id: bytes
    wrapped_key: bytes
    key: bytes
    hedge: bytes

    def __repr__(self) -> str:
        """Show the id only."""
        return f"ValueKey(key_id={self.key_id.hex()})"


class ValueKeys(Protocol):
    """What a sealing layer asks of the keyring."""

    def new_value_key(self, first_segment: bytes | memoryview) -> ValueKey:
        """Make a random key for the value that begins with this segment, and wrap it under the primary data key."""

    def unwrap(self, key_id: bytes, wrapped_key: bytes) -> bytes:
        """Return the plain key, 32 bytes; look up by id alone.

        Raises:
            KeyVersionNotFoundError: The data key is unknown, disabled or destroyed.
            IntegrityError: The wrapped key does not unwrap.
        """
