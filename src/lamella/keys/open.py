"""From a keyring spec to its provider: `NAME:REST`, as in `file:PATH` or `env:NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.errors import ConfigError
from lamella.registry import Registry, installed_registry

if TYPE_CHECKING:
    from lamella.protocols.key_provider import KeyProvider

__all__ = ["open_provider"]


def open_provider(spec: str, registry: Registry | None = None) -> KeyProvider:
    """Return the key provider that a spec names, without reading anything.

    Args:
        spec: `NAME:REST`.
        registry: The known providers; by default those that distributions register.

    Raises:
        ConfigError: The spec is not `NAME:REST`, its provider refuses the rest, or the working directory of a relative
            path is gone.
        UnknownPluginError: No installed distribution registers the provider.
    """
    name, colon, rest = spec.partition(":")
    if not colon:
        raise ConfigError("a keyring spec begins with the name of a key provider, as in file:PATH or env:NAME")
    try:
        return (registry or installed_registry()).key_provider(name).from_spec(rest)
    except OSError as error:
        raise ConfigError(
            f"cannot tell where the keyring is: {error.strerror}; give an absolute path, or start in another folder"
        ) from None
