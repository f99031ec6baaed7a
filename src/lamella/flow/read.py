"""The way out: head, parts, layers in reverse, value.

Whoever reads gets nothing before the last tag verified: the sink is given the whole stream, and what it returns is
handed on only when the stream ended well.
"""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from lamella.errors import (
    ConfigError,
    IntegrityError,
    ObjectNotFoundError,
    StoreConflictError,
)
from lamella.flow.edge import decoding, storing
from lamella.flow.engine import Source
from lamella.flow.head import open_head
from lamella.flow.passage import decode, decode_whole
from lamella.limits import SEGMENT_BYTES
from lamella.policy import hold_floor
from lamella.wire.binding import PART_WHOLE, part_label
from lamella.wire.envelope import MAX_HEADER_BYTES, WHOLE, unpack_header
from lamella.wire.lead import read_lead, unpack_lead
from lamella.wire.record import take_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.flow.engine import Engine
    from lamella.flow.passage import Passage
    from lamella.flow.plan import Plan
    from lamella.protocols.layer import Payload, Segment
    from lamella.protocols.store import Version
    from lamella.scope import Address
    from lamella.wire.head import HeadRecord
    from lamella.wire.lead import Lead
    from lamella.wire.ref import Ref

__all__ = ["read", "read_at", "read_ref"]

T = TypeVar("T")

_PAUSES_SECONDS = (0, 0, 0.01, 0.05, 0.25)
"""What is waited before each try: an eraser that removed the parts is about to remove their head."""


class _PartMissingError(Exception):
    """A part of the generation that the head of this version names is not there."""

    def __init__(self, version: Version) -> None:
        self.version = version


def read_ref(engine: Engine, ref: Ref, sink: Callable[[Lead, Payload], T], *, whole: bool) -> T:
    """Read what a verified ref names, and return what `sink` makes of it.

    Raises:
        ManifestRefusedError: The policy, the ref's floor or the installed layers refuse it; nothing was decoded.
        ObjectNotFoundError: Nothing is stored there.
        IntegrityError: It is not what was written there.
        StoreConflictError: It was replaced again and again while it was read.
    """
    return read(engine, engine.source(ref), sink, whole=whole)


def read_at(engine: Engine, address: Address, sink: Callable[[Lead, Payload], T]) -> T:
    """Read what rests at an address, in the first configured store that has it.

    Raises:
        ConfigError: Today's stack keeps values in their refs alone.
        Otherwise as `read_ref`.
    """
    if engine.store.in_ref:
        raise ConfigError("the inline store keeps values in their refs alone; read them with get(ref)")
    place = engine.place(address)
    *first, last = [store for store in engine.stores.values() if not store.in_ref]
    for store in first:
        with suppress(ObjectNotFoundError):
            return read(engine, Source(store, place, place.head), sink, whole=True)
    return read(engine, Source(last, place, place.head), sink, whole=True)


def read(engine: Engine, source: Source, sink: Callable[[Lead, Payload], T], *, whole: bool) -> T:
    """Read the object at a source; the head is read again where a part of its generation is gone.

    Args:
        engine: The built stack.
        source: Where to read.
        sink: Makes the result of the lead and the value's bytes; called again when a read starts over.
        whole: The value will be held in memory, so that a small object may take one call a layer.
    """
    missing: Version | None = None
    for pause_seconds in _PAUSES_SECONDS:
        if pause_seconds:
            time.sleep(pause_seconds)
        version, stream = _fetch(source)
        try:
            lead, value = _open(engine, source, version, stream, whole=whole)
            return sink(lead, value)
        except _PartMissingError as error:
            missing = error.version
        except BaseException as error:
            decoding(source.locator).judge(error)
            raise
    if _fetch(source)[0] == missing:
        raise IntegrityError(locator=source.locator)
    message = "the value was replaced again and again while it was read; try again"
    raise StoreConflictError(message, locator=source.locator)


def _fetch(source: Source) -> tuple[Version | None, Payload]:
    if source.ref is not None and source.ref.body is not None:
        return None, iter((source.ref.body,))
    try:
        version, stream = source.store.get(source.locator)  # Apart here, where what is no pair is named.
    except ObjectNotFoundError:
        raise ObjectNotFoundError(
            "nothing is stored at this address: it was deleted, expired, or never written to this store",
            locator=source.locator,
        ) from None
    except BaseException as error:
        storing(source.locator).judge(error)
        raise
    return version, stream


def _open(
    engine: Engine, source: Source, version: Version | None, stream: Payload, *, whole: bool
) -> tuple[Lead, Payload]:
    first, rest = take_first(stream, MAX_HEADER_BYTES)
    probable = source.plan or engine.plan
    header, end = unpack_header(first, probable.manifest, len(probable.seal_positions))
    plan = _admit(engine, source.plan, header.manifest)
    passage = engine.passage(plan, source.place, header.facts)
    more = next(rest, None)
    if header.shape == WHOLE and whole and more is None and len(first) <= SEGMENT_BYTES:
        lead, value = _open_whole(passage, first[end:])
    else:
        following = rest if more is None else chain((more,), rest)
        payload = chain((memoryview(first)[end:],), following)
        lead, value = read_lead(_payload(engine, source, plan, passage, header.shape, version, payload))
    if not plan.strengths and engine.place(lead.address()) != source.place:
        raise IntegrityError
    return lead, value


def _admit(engine: Engine, promised: Plan | None, manifest: str) -> Plan:
    """Admit what the header says; the ref's manifest, admitted before, is the floor under it."""
    if promised is not None and promised.manifest == manifest:
        return promised
    plan = engine.admit(manifest)
    if promised is not None:
        hold_floor(promised.strengths, plan.strengths)
        engine.counters["manifest_drift"] += 1
    return plan


def _open_whole(passage: Passage, payload: bytes) -> tuple[Lead, Payload]:
    encoded: Segment = payload
    if passage.after:
        passage.label(PART_WHOLE)
        encoded = decode_whole(passage.after, payload)
    plain = bytes(decode_whole(passage.before, encoded))
    lead, at = unpack_lead(plain)
    return lead, iter((memoryview(plain)[at:],))


def _payload(  # noqa: PLR0913 - the facts about one object
    engine: Engine, source: Source, plan: Plan, passage: Passage, shape: int, version: Version | None, payload: Payload
) -> Payload:
    """Return the payload as it entered the first layer."""
    if shape == WHOLE:
        passage.label(PART_WHOLE)
        return decode(passage.before, decode(passage.after, payload))
    if plan.split is None or version is None:
        raise IntegrityError
    head = open_head(engine, passage, payload)
    return decode(passage.before, _parts(source, passage, head, version))


def _parts(source: Source, passage: Passage, head: HeadRecord, version: Version) -> Payload:
    """Yield the payload of all parts in order."""
    size_bytes = 0
    for number in range(head.part_count):
        locator = source.place.part(head.generation, number)
        try:
            with storing(locator):
                _, stream = source.store.get(locator)
        except ObjectNotFoundError:
            raise _PartMissingError(version) from None
        passage.label(part_label(head.generation, number, last=number == head.part_count - 1))
        for segment in decode(passage.after, stream):
            size_bytes += len(segment)
            yield segment
    if size_bytes != head.size_bytes:
        raise IntegrityError
