"""The state-backend contract on its own: what a worker framework needs to keep the state of tasks and assets.

Runs without any host. The page is docs/state.md.
"""

from lamella.state.accessors import AssetStateAccessor, TaskStateAccessor
from lamella.state.backend import BaseStateBackend
from lamella.state.database import NEVER_EXPIRE, StateDatabase
from lamella.state.inner import open_state_stack
from lamella.state.layered import LayeredStateBackend
from lamella.state.loading import configured_state_backend
from lamella.state.scopes import AssetScope, StateScope, TaskScope
from lamella.state.wrap import wrap

__all__ = [
    "NEVER_EXPIRE",
    "AssetScope",
    "AssetStateAccessor",
    "BaseStateBackend",
    "LayeredStateBackend",
    "StateDatabase",
    "StateScope",
    "TaskScope",
    "TaskStateAccessor",
    "configured_state_backend",
    "open_state_stack",
    "wrap",
]
