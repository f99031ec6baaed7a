"""The stacks of the demo: one store, one keyring of its own, and several stacks over them."""

from __future__ import annotations

import os
import time
import warnings
from typing import TYPE_CHECKING

from lamella.cli.demo import values
from lamella.cli.demo.scan import all_objects
from lamella.config import build_stack, load_config
from lamella.errors import ConfigError, StackWarning
from lamella.keys import edit
from lamella.keys.document import pack
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.policy import Policy
from lamella.protocols.layer import Role
from lamella.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lamella.keys.record import KeyringRecord
    from lamella.protocols.layer import Layer
    from lamella.protocols.store import Store

__all__ = ["Scene"]


class Scene:
    """A keyring in a folder, and a store that is empty.

    Attributes:
        provider: The keyring's file.
        record: The keyring as it was made.
        main: The stack that is shown.
        store: Its store, which the other stacks share.
    """

    def __init__(self, folder: Path, layers: str, url: str) -> None:
        """Make the keyring and build the stack.

        Raises:
            ConfigError: The layers or the store cannot work, or the store holds objects.
        """
        path = folder / "demo.keyring"
        self.provider = FileKeyProvider(path)
        self.record: KeyringRecord = edit.keygen("demo", created_at=int(time.time()))
        self.provider.save(pack(self.record), replace=False)
        chain = f'{layers} | "{url}"'
        # The demo is about this stack: neither a file nor the environment may change it.
        config = load_config(chain, path=os.devnull, environ={}, settings={"keyring": f"file:{path}"})
        self.main = build_stack(config)
        self.store: Store = self.main.engine.store
        if not self.store.lists:
            raise ConfigError(
                f"the demo looks at what is stored, which {self.store.scheme}:// cannot list; name another store"
            )
        if next(all_objects(self.store), None) is not None:
            raise ConfigError(
                "the demo alters and clears what is stored, so its store must be empty; name another place"
            )

    def uncompressed(self) -> Stack:
        """Return a stack that seals but does not compress, so that compression cannot hide a canary."""
        return self._stack([layer for layer in self._layers() if layer.role != Role.COMPRESS])

    def unsealed(self) -> Stack:
        """Return a stack that seals nothing, with the same keys and the same store."""
        plain = [layer for layer in self._layers() if not layer.strength]
        return self._stack(plain, Policy(allow_plaintext=True))

    def reopened(self) -> Stack:
        """Return the main stack as another process would build it now, with the keyring as it is in its file."""
        return Stack(self._layers(), self.store, Keyring.open(self.provider))

    def clear(self) -> None:
        """Remove all that the demo stored."""
        for scope in values.SCOPES:
            self.main.clear(scope, all_map_indices=True)

    def _layers(self) -> Sequence[Layer]:
        return self.main.engine.plan.layers

    def _stack(self, layers: Sequence[Layer], policy: Policy | None = None) -> Stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StackWarning)  # Its order is not what is shown.
            return Stack(layers, self.store, self.main.engine.keyring, policy=policy)
