"""The way out: head, parts, layers in reverse, value.

Whoever reads gets nothing before the last tag verified: the sink is given the whole stream, and what it returns is
handed on only when the stream ended well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from lamella.errors import (
    IntegrityError,
    ManifestRefusedError,
    ObjectNotFoundError,
    StoreConflictError,
)
from lamella.flow.edge import decoding
from lamella.flow.head import open_head
from lamella.policy import hold_floor
from lamella.wire.address import read_record
from lamella.wire.binding import PART_WHOLE, part_label
from lamella.wire.envelope import WHOLE, read_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.flow.engine import Engine
    from lamella.flow.plan import Passage, Plan
    from lamella.protocols.layer import Payload
    from lamella.protocols.store import Store, Version
    from lamella.wire.address import AddressRecord
    from lamella.wire.head import HeadRecord
    from lamella.wire.locator import Place
    from lamella.wire.ref import Ref

__all__ = ["Source", "read", "read_ref"]

T = TypeVar("T")

_TRIES = 5


class _PartMissingError(Exception):
    """A part of the generation that the head of this version names is not there."""

    def __init__(self, version: Version) -> None:
        self.version = version


class Source(NamedTuple):
    """Where to read: a store, a place in it, and the verified ref that led there, if one did."""

    store: Store
    place: Place
    ref: Ref | None


def read_ref(engine: Engine, ref: Ref, sink: Callable[[AddressRecord, Payload], T]) -> T:
    """Read what a verified ref names, and return what `sink` makes of it.

    Raises:
        ManifestRefusedError: The policy, the ref's floor or the installed layers refuse it; nothing was decoded.
        ObjectNotFoundError: Nothing is stored there.
        IntegrityError: It is not what was written there.
        StoreConflictError: It was replaced again and again while it was read.
    """
    engine.admit(ref.manifest)
    store = engine.named_store(ref.alias)
    if store.in_ref != (ref.body is not None):
        raise ManifestRefusedError(
            f"the ref and the store {ref.alias!r} disagree on whether the ref holds the object; "
            "the alias names another kind of store than when it was written"
        )
    return read(engine, Source(store, ref.place, ref), sink)


def read(engine: Engine, source: Source, sink: Callable[[AddressRecord, Payload], T]) -> T:
    """Read the object at a source; the head is read again where a part of its generation is gone."""
    place = source.place
    missing: Version | None = None
    for _ in range(_TRIES):
        version, stream = _fetch(source)
        if version == missing:
            raise IntegrityError(locator=place.head)
        with decoding(place.head):
            try:
                return _read_once(engine, source, version, stream, sink)
            except _PartMissingError as error:
                missing = error.version
    raise StoreConflictError("the value was replaced again and again while it was read; try again", locator=place.head)


def _fetch(source: Source) -> tuple[Version | None, Payload]:
    if source.ref is not None and source.ref.body is not None:
        return None, iter((source.ref.body,))
    try:
        return source.store.get(source.place.head)
    except ObjectNotFoundError:
        raise ObjectNotFoundError(
            "nothing is stored at this address: it was deleted, expired, or never written to this store",
            locator=source.place.head,
        ) from None


def _read_once(
    engine: Engine,
    source: Source,
    version: Version | None,
    stream: Payload,
    sink: Callable[[AddressRecord, Payload], T],
) -> T:
    header, payload = read_header(stream)
    plan = engine.admit(header.manifest)
    if source.ref is not None:
        _hold_floor(engine, source.ref, plan)
    passage = engine.passage(plan, source.place, header.facts)
    if header.shape == WHOLE:
        payload = passage.decode_after(payload, PART_WHOLE)
    elif plan.split is None or version is None:
        raise IntegrityError
    else:
        head = open_head(engine, passage, payload)
        payload = _parts(source, passage, head, version, seals_parts=plan.seals_parts)
    record, value = read_record(passage.decode_before(payload))
    if not plan.strengths and engine.place(record.address()) != source.place:
        raise IntegrityError
    return sink(record, value)


def _hold_floor(engine: Engine, ref: Ref, plan: Plan) -> None:
    if plan.manifest == ref.manifest:
        return
    hold_floor(engine.plan_of(ref.manifest).strengths, plan.strengths)
    engine.counters["manifest_drift"] += 1


def _parts(source: Source, passage: Passage, head: HeadRecord, version: Version, *, seals_parts: bool) -> Payload:
    """Yield the payload of all parts in order."""
    size_bytes = 0
    for number in range(head.part_count):
        try:
            _, stream = source.store.get(source.place.part(head.generation, number))
        except ObjectNotFoundError:
            raise _PartMissingError(version) from None
        last = seals_parts and number == head.part_count - 1
        for segment in passage.decode_after(stream, part_label(head.generation, number, last=last)):
            size_bytes += len(segment)
            yield segment
    if size_bytes != head.size_bytes:
        raise IntegrityError
