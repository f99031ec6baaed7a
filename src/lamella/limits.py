"""Every ceiling, in one frozen record; each is checked before the memory is spent."""

from __future__ import annotations

from dataclasses import dataclass, fields

from lamella.errors import ConfigError, LimitExceededError

__all__ = ["DEFAULT_LIMITS", "SEGMENT_BYTES", "Limits"]

SEGMENT_BYTES = 1024 * 1024
"""The size of the pieces in which a payload flows, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The ceilings of one stack; sizes in bytes.

    Attributes:
        max_value_bytes: A value that is held in memory (`put`, `get`), encoded as JSON.
        max_stream_bytes: A value that is streamed (`put_stream`, `get_into`).
        max_ratio: How many bytes one stored byte may decompress to.
        max_layers: Entries of a manifest.
        max_parts: Parts of one value.
        max_ref_chars: A ref without a body.
        max_inline_bytes: A sealed object that travels inside its ref.
        max_nesting: Levels of lists and objects inside a value.
    """

    max_value_bytes: int = 256 * 1024**2
    max_stream_bytes: int = 1024**4
    max_ratio: int = 32_768
    max_layers: int = 16
    max_parts: int = 131_072
    max_ref_chars: int = 1024
    max_inline_bytes: int = 48 * 1024
    max_nesting: int = 500

    def __post_init__(self) -> None:
        """Refuse a ceiling that would refuse everything."""
        for each in fields(self):
            size = getattr(self, each.name)
            if type(size) is not int or size < 1:
                raise ConfigError(f"limits.{each.name} must be a whole number above 0")

    def check_value(self, size_bytes: int) -> None:
        """Refuse a value, or what it decodes to, that memory should not hold.

        Raises:
            LimitExceededError: `size_bytes` is above `max_value_bytes`.
        """
        if size_bytes > self.max_value_bytes:
            raise LimitExceededError(
                f"the value has {size_bytes} bytes or more, which is above limits.max_value_bytes; "
                "use put_stream and get_into, or raise the limit"
            )


DEFAULT_LIMITS = Limits()
