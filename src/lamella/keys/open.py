"""From a keyring spec to its provider, `NAME:REST` as in `file:PATH` or `env:NAME`, and from there to the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.errors import ConfigError, KeyringError, LamellaError
from lamella.interruption import passes
from lamella.keys.document import unpack
from lamella.registry import Registry, configuring, installed_registry

if TYPE_CHECKING:
    from lamella.keys.record import KeyringRecord
    from lamella.protocols.key_provider import KeyProvider

__all__ = ["load_record", "open_provider"]


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
        with configuring(f"key provider {name!r}"):
            return (registry or installed_registry()).key_provider(name).from_spec(rest)
    except OSError as error:
        raise ConfigError(
            f"cannot tell where the keyring is: {error.strerror}; give an absolute path, or start in another folder"
        ) from None


def load_record(provider: KeyProvider) -> KeyringRecord:
    """Read and verify the document of a provider.

    Raises:
        KeyringError: It is missing, damaged or forged, or the provider fails.
        KeyProviderUnavailableError: The provider does not answer.
    """
    try:
        return unpack(_load(provider))
    except LamellaError as error:
        # The frames go, since they hold the document, and trackers of errors record their locals.
        raise error.with_traceback(None) from error.__cause__


def _load(provider: KeyProvider) -> str:
    try:
        document = provider.load()
    except Exception as error:
        if passes(error):
            raise
        raise _defect(provider, type(error).__name__) from None  # Its text may hold a secret.
    if not isinstance(document, str):
        raise _defect(provider, f"{type(document).__name__} instead of text")
    return document


def _defect(provider: KeyProvider, failure: str) -> KeyringError:
    return KeyringError(f"the key provider {provider.name!r} failed with {failure}; report it to its authors")
