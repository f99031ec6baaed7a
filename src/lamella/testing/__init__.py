"""Contract suites for plugin authors: subclass one, give it a fixture, run pytest."""

from __future__ import annotations

from lamella.testing.contexts import FixedKeys, layer_context
from lamella.testing.faulty_store import FaultyStore
from lamella.testing.key_provider_contract import KeyProviderContract
from lamella.testing.layer_contract import LayerContract
from lamella.testing.split_layer_contract import SplitLayerContract
from lamella.testing.state_backend_contract import StateBackendContract
from lamella.testing.store_contract import StoreContract

__all__ = [
    "FaultyStore",
    "FixedKeys",
    "KeyProviderContract",
    "LayerContract",
    "SplitLayerContract",
    "StateBackendContract",
    "StoreContract",
    "layer_context",
]
