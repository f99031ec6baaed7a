"""The stack: ordered layers, the store under them, the keyring and the policy; frozen once built."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from lamella.combination import refuse_aliases, refuse_combination
from lamella.errors import InvalidValueError, StoreConflictError
from lamella.flow import erase
from lamella.flow.engine import Engine
from lamella.flow.plan import plan_layers
from lamella.flow.read import read_at, read_ref
from lamella.flow.stream import gather, segments
from lamella.flow.write import write
from lamella.limits import DEFAULT_LIMITS, Limits
from lamella.order import judge_order
from lamella.policy import Policy
from lamella.registry import Registry, installed_registry
from lamella.wire.codec import CODEC_JSON, CODEC_RAW, dump_json, load_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamella.flow.spool import StreamTarget
    from lamella.flow.stream import StreamSource
    from lamella.keys.keyring import Keyring
    from lamella.protocols.layer import Layer, Payload
    from lamella.protocols.store import Store
    from lamella.scope import Address, Scope
    from lamella.wire.lead import Lead

__all__ = ["Stack"]

_PUT_TRIES = 3


class Stack:
    """Layers around a store: a value goes in, a ref comes out, and the ref brings the value back.

    Thread-safe; may be built before a fork and used after it where its stores may.

    Args:
        layers: In write order; the last one hands to the store.
        store: Where objects rest.
        keyring: All keys. Every stack has one, since ids and refs are keyed.
        policy: What this process writes and reads.
        limits: The ceilings.
        alias: The name by which refs know the store.
        others: More stores that are read, deleted from and cleared, by alias.
        renamed: Aliases of earlier configurations, and what they are called now.
        registry: The installed layers; by default those that distributions register.

    Raises:
        ConfigError: They cannot work together; nothing was opened.
    """

    __slots__ = ("_engine",)

    def __init__(  # noqa: PLR0913 - what a stack is made of; all but three have a default
        self,
        layers: Sequence[Layer],
        store: Store,
        keyring: Keyring,
        *,
        policy: Policy | None = None,
        limits: Limits = DEFAULT_LIMITS,
        alias: str = "main",
        others: Mapping[str, Store] | None = None,
        renamed: Mapping[str, str] | None = None,
        registry: Registry | None = None,
    ) -> None:
        """Build the stack, and judge the order of its layers."""
        policy = policy or Policy()
        registry = registry or installed_registry()
        stores = {alias: store, **(others or {})}
        refuse_combination(layers, store, policy, limits, registry)
        refuse_aliases(alias, others or {}, renamed or {}, stores)
        judge_order(layers, strict=policy.strict)
        self._engine = Engine(
            plan=plan_layers(layers, keyring, limits),
            alias=alias,
            stores=stores,
            renamed=dict(renamed or {}),
            keyring=keyring,
            policy=policy,
            limits=limits,
            registry=registry,
            counters=Counter(),
        )

    def put(self, address: Address, value: Any) -> str:  # noqa: ANN401 - any JSON document
        """Store a JSON value and return its ref, which depends on the address and the configuration alone.

        Raises:
            InvalidValueError: The value is not JSON.
            LimitExceededError: The value is larger than the limits or the store allow.
            StoreError: The store failed; the old value, or the new one, is there.
        """
        text = dump_json(value, self._engine.limits)
        for _ in range(_PUT_TRIES - 1):
            try:
                return write(self._engine, address, CODEC_JSON, text)
            except StoreConflictError:
                continue
        return write(self._engine, address, CODEC_JSON, text)

    def get(self, ref: str, *, expect: Address | None = None) -> Any:  # noqa: ANN401 - any JSON document
        """Return the value behind a ref, after its last tag was verified.

        Args:
            ref: What `put` returned.
            expect: The address that the ref must belong to, where the caller knows it.

        Raises:
            RefError: The ref is malformed, forged, of another address, or refused by the policy.
            KeyringError: A key is missing, disabled or destroyed.
            IntegrityError: The object is not what was written there.
            ObjectNotFoundError: Nothing is stored there.
            StoreError: The store failed.
        """
        return read_ref(self._engine, self._engine.verify(ref, expect), self._load, whole=True)

    def get_at(self, address: Address) -> Any:  # noqa: ANN401 - any JSON document
        """Return the value at an address, without a ref; raises as `get` does."""
        return read_at(self._engine, address, self._load)

    def delete(self, address: Address) -> None:
        """Remove what every configured store holds at an address; absent is no error.

        Raises:
            StoreError: A store failed; call again.
        """
        erase.delete(self._engine, address)

    def clear(self, scope: Scope, *, all_map_indices: bool = False) -> None:
        """Remove every key of a scope from every configured store.

        Args:
            scope: Whose keys go; other map indices stay unless `all_map_indices`.
            all_map_indices: Remove the keys of all map indices.

        Raises:
            StoreError: A store failed; call again.
        """
        erase.clear(self._engine, scope, all_map_indices=all_map_indices)

    def gc(self, *, older_than_seconds: float = 86_400, dry_run: bool = False) -> int:
        """Remove parts that no value names, left by writers that died or by large values that small ones replaced.

        Args:
            older_than_seconds: How long nobody may have written to them; longer than the longest write.
            dry_run: Count only.

        Returns:
            How many generations of parts there were.

        Raises:
            InvalidValueError: The age is not a finite number from 0 on.
            StoreError: A store failed; call again.
        """
        from lamella.flow.sweep import sweep  # noqa: PLC0415 - a task never sweeps

        return sweep(self._engine, older_than_seconds=older_than_seconds, dry_run=dry_run)

    def put_stream(self, address: Address, source: StreamSource, size_bytes: int | None = None) -> str:
        """Store bytes, or those of a binary file or iterable in bounded memory, and return their ref.

        Args:
            address: Where they belong.
            source: An open binary file, pieces of bytes, or bytes.
            size_bytes: Their number, where it is known; a source of another size is an error.

        Raises:
            InvalidValueError: The source has another size than was said; nothing was replaced.
            LimitExceededError: It is larger than the limits or the store allow; nothing was replaced.
            StoreError: The store failed; the old value, or the new one, is there.
        """
        value = segments(source, size_bytes, self._engine.limits)
        return write(self._engine, address, CODEC_RAW, value, size_bytes)

    def get_into(self, ref: str, target: StreamTarget, *, expect: Address | None = None) -> int:
        """Write the bytes behind a ref to a path or an open binary file, and return their number.

        They are spooled to a private file first, and published only after the last tag: a path by rename, an open file
        by copying. Raises as `get` does; `target` is then as it was.

        Raises:
            InvalidValueError: `target` is neither of the two; told before anything is read.
            OSError: It cannot be written.
        """
        from lamella.flow.spool import spool_into  # noqa: PLC0415 - who gets no stream need not import files and temp

        parsed = self._engine.verify(ref, expect)
        return spool_into(target, self._engine.limits, lambda sink: read_ref(self._engine, parsed, sink, whole=False))

    @property
    def counters(self) -> Mapping[str, int]:
        """How often something worth watching happened: `manifest_drift`."""
        return self._engine.counters.copy()

    @property
    def engine(self) -> Engine:
        """What the stack is made of, for tools that inspect it."""
        return self._engine

    def close(self) -> None:
        """Close every store; a later call opens it again."""
        for store in self._engine.stores.values():
            store.close()

    def __repr__(self) -> str:
        """Show the layers and the store."""
        return f"Stack({self._engine.plan.manifest} | {self._engine.store.scheme})"

    def _load(self, lead: Lead, value: Payload) -> Any:  # noqa: ANN401 - any JSON document
        if lead.codec != CODEC_JSON:
            raise InvalidValueError(
                "the value was stored with put_stream and is no JSON; read it with get_into, or get --output"
            )
        return load_json(gather(value, self._engine.limits))
