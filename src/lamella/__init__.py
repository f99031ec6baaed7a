"""Encryption and compression layers around a state backend: a value goes in, a ref comes out, and brings it back."""

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
