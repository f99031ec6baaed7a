"""What every direction of the data path works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from lamella.errors import ManifestRefusedError
from lamella.flow.plan import Passage, plan_manifest
from lamella.policy import admit
from lamella.wire.locator import key_place, scope_id

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence

    from lamella.flow.plan import Plan
    from lamella.keys.keyring import Keyring
    from lamella.limits import Limits
    from lamella.policy import Policy
    from lamella.protocols.layer import FactBlock
    from lamella.protocols.store import Store
    from lamella.registry import Registry
    from lamella.scope import Address, Scope
    from lamella.wire.locator import Place

__all__ = ["Engine"]

_CACHED_SCOPES = 1024
_CACHED_MANIFESTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of a built stack.

    Attributes:
        plan: How today's stack writes.
        alias: The name of the store that it writes to.
        stores: Every store that is read, by alias.
        renamed: Aliases of earlier configurations, and what they are called now.
        keyring: All keys.
        policy: What this process trusts.
        limits: The ceilings.
        registry: The installed layers.
        counters: Events worth watching, by name.
    """

    plan: Plan
    alias: str
    stores: Mapping[str, Store]
    renamed: Mapping[str, str]
    keyring: Keyring
    policy: Policy
    limits: Limits
    registry: Registry
    counters: Counter[str]
    scope_id: Callable[[Scope], str] = field(init=False)
    plan_of: Callable[[str], Plan] = field(init=False)

    def __post_init__(self) -> None:
        """Cache what is computed from a scope or a manifest alone."""

        def scope_hex(scope: Scope) -> str:
            return scope_id(self.keyring.mac_id, self.keyring.deployment, scope)

        def plan_of(manifest: str) -> Plan:
            return plan_manifest(manifest, self.registry, self.limits)

        object.__setattr__(self, "scope_id", lru_cache(_CACHED_SCOPES)(scope_hex))
        object.__setattr__(self, "plan_of", lru_cache(_CACHED_MANIFESTS)(plan_of))

    @property
    def store(self) -> Store:
        """The store that today's stack writes to."""
        return self.stores[self.alias]

    def place(self, address: Address) -> Place:
        """Return where an address rests."""
        return key_place(self.keyring.mac_id, self.scope_id(address.scope), address)

    def passage(self, plan: Plan, place: Place, facts: Sequence[FactBlock] = ()) -> Passage:
        """Start one value's way through a plan."""
        return Passage(plan, place, self.keyring.deployment, self.keyring, self.limits, facts)

    def admit(self, manifest: str) -> Plan:
        """Admit a manifest and plan its reading.

        Raises:
            ManifestRefusedError: The policy or the installed layers do not admit it.
        """
        plan = self.plan_of(manifest)
        admit(plan.strengths, max(self.plan.strengths, default=0), self.policy)
        return plan

    def named_store(self, alias: str) -> Store:
        """Return the configured store that a ref names.

        Raises:
            ManifestRefusedError: The configuration names no such store.
        """
        store = self.stores.get(self.renamed.get(alias, alias))
        if store is None:
            raise ManifestRefusedError(
                f"the ref names the store {alias!r}, which this configuration lacks; "
                "list it under [stores], or its new name under [stores.aliases]"
            )
        return store
