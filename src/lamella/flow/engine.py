"""What every direction of the data path works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from lamella.errors import ConfigError, ManifestRefusedError, RefMismatchError
from lamella.flow.passage import Passage
from lamella.flow.plan import plan_manifest
from lamella.policy import admit
from lamella.scope import Address, check_address
from lamella.wire.lead import pack_lead
from lamella.wire.locator import Place, key_place, scope_id
from lamella.wire.ref import Ref, format_ref, parse_ref

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from lamella.flow.plan import Plan
    from lamella.keys.keyring import Keyring
    from lamella.limits import Limits
    from lamella.policy import Policy
    from lamella.protocols.layer import FactBlock
    from lamella.protocols.store import Store
    from lamella.registry import Registry
    from lamella.scope import Scope

__all__ = ["Engine", "Source", "Target"]

_CACHED = 1024
_LONGEST_PLACE = Place("asset", "0" * 32, 2**31 - 1, "0" * 32)


class Target(NamedTuple):
    """What a write to one address begins with.

    Attributes:
        place: Where the value rests.
        locator: The locator of its head.
        lead: What its payload begins with.
        ref: Its ref, where the store keeps the object.
    """

    place: Place
    locator: str
    lead: bytes
    ref: str


class Source(NamedTuple):
    """Where a read begins.

    Attributes:
        store: The store to ask.
        place: Where the value rests.
        locator: The locator of its head.
        ref: The verified ref that led there, if one did.
        plan: The plan of that ref's manifest.
    """

    store: Store
    place: Place
    locator: str
    ref: Ref | None = None
    plan: Plan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What a built stack is made of.

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
        store: The store that today's stack writes to.
        scope_id: Gives a scope's id.
        place: Gives where an address rests.
        plan_of: Gives a manifest's plan.
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
    store: Store = field(init=False)
    scope_id: Callable[[Scope], str] = field(init=False)
    place: Callable[[Address], Place] = field(init=False)
    plan_of: Callable[[str], Plan] = field(init=False)
    _known_target: Callable[[int, Scope, str, bytes], Target] = field(init=False)
    _verified_ref: Callable[[str, int], Ref] = field(init=False)
    _known_source: Callable[[Ref], tuple[Source, Plan]] = field(init=False)

    def __post_init__(self) -> None:
        """Cache what depends on an address, a manifest or a ref's text alone."""
        deployment, mac_id, mac_ref = self.keyring.deployment, self.keyring.mac_id, self.keyring.mac_ref

        def scope_hex(scope: Scope) -> str:
            return scope_id(mac_id, deployment, scope)

        def place(address: Address) -> Place:
            check_address(address)
            return key_place(mac_id, self.scope_id(address.scope), address)

        def target(codec: int, scope: Scope, key: str, ref_key_id: bytes) -> Target:
            address = Address(scope, key)
            rests_at = place(address)
            ref = format_ref(Ref(self.alias, self.plan.manifest, rests_at), ref_key_id, mac_ref)
            return Target(rests_at, rests_at.head, pack_lead(codec, address), ref)

        def verified_ref(text: str, _epoch: int) -> Ref:
            return parse_ref(text, self.limits, mac_ref)

        def plan_of(manifest: str) -> Plan:
            return plan_manifest(manifest, self.registry, self.keyring, self.limits)

        made: dict[str, Callable[..., Any]] = {
            "scope_id": scope_hex,
            "place": place,
            "plan_of": plan_of,
            "_known_target": target,
            "_verified_ref": verified_ref,
            "_known_source": self._source,
        }
        object.__setattr__(self, "store", self.stores[self.alias])
        for name, function in made.items():
            object.__setattr__(self, name, lru_cache(_CACHED)(function))
        longest = len(self.ref(_LONGEST_PLACE, None))
        if longest > self.limits.max_ref_chars:
            raise ConfigError(
                f"refs of this stack have up to {longest} characters, limits.max_ref_chars is "
                f"{self.limits.max_ref_chars}; raise it, or list fewer layers"
            )

    def target(self, codec: int, address: Address) -> Target:
        """Return what a write in a codec to an address begins with.

        Raises:
            AddressError: It is no address, or its scope is none.
        """
        try:
            return self._known_target(codec, address.scope, address.key, self.keyring.ref_key_id)
        except AttributeError:
            check_address(address)
            raise

    def ref(self, place: Place, body: bytes | None) -> str:
        """Return the ref of what rests at a place, or in `body`."""
        ref = Ref(self.alias, self.plan.manifest, place, body)
        return format_ref(ref, self.keyring.ref_key_id, self.keyring.mac_ref)

    def verify(self, text: str, expect: Address | None = None) -> Ref:
        """Verify a ref and read it; what verified once does so again until the keyring changes.

        Raises:
            RefMismatchError: It is of another address than the one that it is expected to be of.
            Otherwise as `parse_ref`.
        """
        if isinstance(text, str) and len(text) <= self.limits.max_ref_chars:
            ref = self._verified_ref(text, self.keyring.epoch)
        else:
            ref = parse_ref(text, self.limits, self.keyring.mac_ref)
        if expect is not None and self.place(expect) != ref.place:
            raise RefMismatchError(
                "the ref is genuine but belongs to another scope or key than the one asked for; "
                "look for a row that was copied or swapped"
            )
        return ref

    def source(self, ref: Ref) -> Source:
        """Return where a verified ref leads.

        Raises:
            ManifestRefusedError: The policy, the installed layers or the configured stores do not admit it.
        """
        source, plan = self._known_source(ref) if ref.body is None else self._source(ref)
        self.require(plan.strongest)
        return source

    def _source(self, ref: Ref) -> tuple[Source, Plan]:
        plan, store = self.plan_of(ref.manifest), self.named_store(ref.alias)
        if store.in_ref != (ref.body is not None):
            raise ManifestRefusedError(
                f"the ref and the store {ref.alias!r} disagree on whether the ref holds the object; "
                "the alias names another kind of store than when it was written"
            )
        return Source(store, ref.place, ref.place.head, ref, plan), plan

    def passage(self, plan: Plan, place: Place, facts: tuple[FactBlock, ...] | None = None) -> Passage:
        """Start one value's way through a plan; `facts` are those of the object's header on a read."""
        return Passage(plan, place, self.keyring.deployment, facts)

    def admit(self, manifest: str) -> Plan:
        """Admit a manifest and plan its reading.

        Raises:
            ManifestRefusedError: The policy or the installed layers do not admit it.
        """
        plan = self.plan_of(manifest)
        self.require(plan.strongest)
        return plan

    def require(self, strongest: int) -> None:
        """Hold what is sealed with this strength class, 0 for not at all, against today's stack and the policy.

        Raises:
            ManifestRefusedError: It is weaker, and nothing accepts that today.
        """
        if strongest < self.plan.strongest:
            admit(strongest, self.plan.strongest, self.policy)

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
