"""How large a stored value is after each layer, by taking it back through them in bounded memory."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from lamella.flow.edge import decoding
from lamella.flow.head import open_head
from lamella.wire.binding import PART_WHOLE, part_label
from lamella.wire.envelope import HEAD, read_header
from lamella.wire.lead import read_lead

if TYPE_CHECKING:
    from lamella.flow.engine import Engine
    from lamella.flow.passage import Leg, Passage
    from lamella.protocols.layer import FactBlock, Payload
    from lamella.wire.head import HeadRecord
    from lamella.wire.lead import Lead
    from lamella.wire.ref import Ref

__all__ = ["Measured", "measure"]

_STORED: Final = -1
_PAYLOAD: Final = -2


class Measured(NamedTuple):
    """One stored value, sizes in bytes.

    Attributes:
        manifest: The manifest of its header.
        facts: Its seals' facts.
        lead: Its codec and its address record.
        value_bytes: The value.
        payload_bytes: The value behind its lead, which holds its address.
        layers: Each layer's name and the size after it, in write order.
        stored_bytes: All its objects.
        part_count: How many parts it has beside its head, 0 for a value that was not split.
    """

    manifest: str
    facts: tuple[FactBlock, ...]
    lead: Lead
    value_bytes: int
    payload_bytes: int
    layers: tuple[tuple[str, int], ...]
    stored_bytes: int
    part_count: int


def measure(engine: Engine, ref: Ref) -> Measured:
    """Read what a verified ref names and count the bytes between its layers.

    Raises:
        LamellaError: As a read does.
    """
    sizes: Counter[int] = Counter()
    with decoding(ref.place.head):
        header, payload = read_header(_counted(_fetch(engine, ref), sizes, _STORED))
        plan = engine.admit(header.manifest)
        passage = engine.passage(plan, ref.place, header.facts)
        head = None
        if header.shape == HEAD and plan.split is not None:
            head = open_head(engine, passage, payload)
            payload = _parts(engine, ref, passage, head, sizes)
        else:
            passage.label(PART_WHOLE)
            payload = _walk(passage.after, payload, sizes)
        payload = _counted(payload, sizes, plan.split_at)
        lead, value = read_lead(_counted(_walk(passage.before, payload, sizes), sizes, _PAYLOAD))
        value_bytes = sum(map(len, value))
    return Measured(
        manifest=header.manifest,
        facts=header.facts,
        lead=lead,
        value_bytes=value_bytes,
        payload_bytes=sizes[_PAYLOAD],
        layers=tuple((layer.name, sizes[position]) for position, layer in enumerate(plan.layers)),
        stored_bytes=sizes[_STORED],
        part_count=0 if head is None else head.part_count,
    )


def _fetch(engine: Engine, ref: Ref) -> Payload:
    return iter((ref.body,)) if ref.body is not None else engine.named_store(ref.alias).get(ref.place.head)[1]


def _parts(engine: Engine, ref: Ref, passage: Passage, head: HeadRecord, sizes: Counter[int]) -> Payload:
    store = engine.named_store(ref.alias)
    for number in range(head.part_count):
        passage.label(part_label(head.generation, number, last=number == head.part_count - 1))
        part = store.get(ref.place.part(head.generation, number))[1]
        yield from _walk(passage.after, _counted(part, sizes, _STORED), sizes)


def _walk(leg: Leg, payload: Payload, sizes: Counter[int]) -> Payload:
    """Decode through a leg, counting what goes into each layer: that is the size after it."""
    for layer, context in reversed(leg):
        payload = layer.decode(_counted(payload, sizes, context.position), context)
    return payload


def _counted(payload: Payload, sizes: Counter[int], position: int) -> Payload:
    for segment in payload:
        sizes[position] += len(segment)
        yield segment
