"""Encryption and compression layers around a state backend: a value goes in, a ref comes out, and brings it back."""

from typing import TYPE_CHECKING

from lamella.lazy import lazy_names

if TYPE_CHECKING:
    from lamella.config import load_config, open_stack
    from lamella.errors import (
        ConfigError,
        IntegrityError,
        KeyringError,
        LamellaError,
        LimitExceededError,
        ObjectNotFoundError,
        RefError,
        StackWarning,
        StoreError,
    )
    from lamella.keys.keyring import Keyring
    from lamella.limits import Limits
    from lamella.policy import Accept, Policy
    from lamella.scope import Address, AssetScope, TaskScope, XComScope
    from lamella.stack import Stack

__all__ = [
    "Accept",
    "Address",
    "AssetScope",
    "ConfigError",
    "IntegrityError",
    "Keyring",
    "KeyringError",
    "LamellaError",
    "LimitExceededError",
    "Limits",
    "ObjectNotFoundError",
    "Policy",
    "RefError",
    "Stack",
    "StackWarning",
    "StoreError",
    "TaskScope",
    "XComScope",
    "load_config",
    "open_stack",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Accept": "lamella.policy",
        "Address": "lamella.scope",
        "AssetScope": "lamella.scope",
        "ConfigError": "lamella.errors",
        "IntegrityError": "lamella.errors",
        "Keyring": "lamella.keys.keyring",
        "KeyringError": "lamella.errors",
        "LamellaError": "lamella.errors",
        "LimitExceededError": "lamella.errors",
        "Limits": "lamella.limits",
        "ObjectNotFoundError": "lamella.errors",
        "Policy": "lamella.policy",
        "RefError": "lamella.errors",
        "Stack": "lamella.stack",
        "StackWarning": "lamella.errors",
        "StoreError": "lamella.errors",
        "TaskScope": "lamella.scope",
        "XComScope": "lamella.scope",
        "load_config": "lamella.config",
        "open_stack": "lamella.config",
    },
)


def __dir__() -> list[str]:
    return __all__
