"""Every error that leaves Lamella, in one tree.

LamellaError
├── ConfigError(ValueError)           when a stack is built, never at its first use
│   ├── UnknownPluginError            a layer, store or key provider that is not installed
│   ├── DuplicatePluginError          two distributions register one name
│   └── StackOrderError               an order, or a store, that cannot work
├── AddressError(ValueError)          a scope or key that cannot be an address
├── InvalidValueError(ValueError)     a value that is not JSON; the message holds its path, not the value
├── RefError(ValueError)
│   ├── MalformedRefError             not a ref, or not its canonical spelling
│   ├── UnsupportedRefVersionError    written by a newer release
│   ├── RefTagError                   forged or altered
│   ├── RefMismatchError              genuine, but of another address or kind than was asked for
│   ├── UnsealedValueError            the host returned a value that did not come through a ref
│   └── ManifestRefusedError          genuine, but the local policy does not admit its layers
├── KeyringError                      the keyring cannot be read, verified or used
│   ├── KeyVersionNotFoundError       unknown, disabled or destroyed key
│   └── KeyProviderUnavailableError   transient
├── IntegrityError                    tampered with, cut, reordered or moved
├── LimitExceededError                a ceiling of `lamella.limits`
└── StoreError
    ├── ObjectNotFoundError           nothing is stored there
    ├── StoreConflictError            transient: someone else wrote first
    ├── ForkedProcessError            opened before a fork, used after it
    └── StoreUnavailableError         transient

A message says what is wrong and what to do next. It never holds a plaintext, a key or a ciphertext; the path
in an `InvalidValueError` names places inside the value.
"""

from __future__ import annotations

__all__ = [
    "AddressError",
    "ConfigError",
    "DuplicatePluginError",
    "ForkedProcessError",
    "IntegrityError",
    "InvalidValueError",
    "KeyProviderUnavailableError",
    "KeyVersionNotFoundError",
    "KeyringError",
    "LamellaError",
    "LimitExceededError",
    "MalformedRefError",
    "ManifestRefusedError",
    "ObjectNotFoundError",
    "RefError",
    "RefMismatchError",
    "RefTagError",
    "StackOrderError",
    "StackWarning",
    "StoreConflictError",
    "StoreError",
    "StoreUnavailableError",
    "UnknownPluginError",
    "UnsealedValueError",
    "UnsupportedRefVersionError",
]


class LamellaError(Exception):
    """The root of every error that Lamella raises.

    Attributes:
        transient: Whether the same call may succeed when it is tried again.
        layer: The name of the layer that refused, where one did.
        locator: The locator of the object concerned, where there is one.
        key_id: The hexadecimal id of the key concerned, where there is one.
    """

    transient: bool = False

    def __init__(
        self,
        message: str,
        *,
        layer: str | None = None,
        locator: str | None = None,
        key_id: str | None = None,
    ) -> None:
        """Keep the message and the public facts about the failure."""
        super().__init__(message)
        self.layer = layer
        self.locator = locator
        self.key_id = key_id

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the facts, since hosts carry errors between processes."""
        return type(self), self.args, self.__dict__


class ConfigError(LamellaError, ValueError):
    """A configuration that cannot work, found when the stack is built."""


class UnknownPluginError(ConfigError):
    """A layer, store or key provider that no installed distribution registers."""


class DuplicatePluginError(ConfigError):
    """Two distributions register the same name, so neither can be trusted to be meant."""


class StackOrderError(ConfigError):
    """An order of layers, or a store under them, that cannot work."""


class AddressError(LamellaError, ValueError):
    """A scope or key that cannot be an address."""


class InvalidValueError(LamellaError, ValueError):
    """A value that is not JSON, named by its path inside the document; or a time that no value can be kept for."""


class RefError(LamellaError, ValueError):
    """A ref that cannot be used."""


class MalformedRefError(RefError):
    """A string that is not a ref, or not a ref's canonical spelling."""


class UnsupportedRefVersionError(RefError):
    """A ref of a version that this release does not read."""


class RefTagError(RefError):
    """A ref whose tag does not verify: forged, altered or of another keyring."""


class RefMismatchError(RefError):
    """A genuine ref of another address or kind than the caller asked for."""


class UnsealedValueError(RefError):
    """A value that the host returned without a ref: nobody sealed it, and anybody may have planted it."""


class ManifestRefusedError(RefError):
    """A manifest that the local policy or the installed layers do not admit."""


class KeyringError(LamellaError):
    """A keyring that cannot be read, verified or used."""


class KeyVersionNotFoundError(KeyringError):
    """A key that is unknown, disabled or destroyed."""


class KeyProviderUnavailableError(KeyringError):
    """A key provider that does not answer at the moment."""

    transient = True


class IntegrityError(LamellaError):
    """An object that is not what was written at its address.

    One class and one sentence for every cause: the cause would help only whoever tampers.
    """

    def __init__(
        self,
        message: str = (
            "the stored object failed its integrity check: it was altered, cut, reordered or moved; "
            "restore it from a backup or write the value again"
        ),
        *,
        layer: str | None = None,
        locator: str | None = None,
        key_id: str | None = None,
    ) -> None:
        """Use the one sentence unless an unpickled message is handed back."""
        super().__init__(message, layer=layer, locator=locator, key_id=key_id)


class LimitExceededError(LamellaError):
    """A size or count above a ceiling of `lamella.limits`."""


class StoreError(LamellaError):
    """An inner store that could not do what it was asked."""


class ObjectNotFoundError(StoreError):
    """Nothing is stored at the locator."""


class StoreConflictError(StoreError):
    """The object is not at the version that the caller named: someone else wrote first."""

    transient = True


class ForkedProcessError(StoreError):
    """A store that was opened before a fork and cannot be used after it."""


class StoreUnavailableError(StoreError):
    """A store that does not answer at the moment."""

    transient = True


class StackWarning(UserWarning):
    """An order of layers that works but wastes or leaks; `strict` makes it an error."""
