"""One value's way through the layers of a plan, in one direction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lamella.errors import IntegrityError
from lamella.wire.binding import PART_BEFORE_SPLIT, pack_binding

if TYPE_CHECKING:
    from lamella.flow.plan import Plan, Seat
    from lamella.protocols.layer import FactBlock, LayerContext, Payload, Segment
    from lamella.wire.locator import Place

__all__ = ["Leg", "Passage", "decode", "decode_whole", "encode", "encode_whole"]

Leg = list["Seat"]
"""The layers on one side of the split, in write order, each in its context."""


class Passage:
    """Seats the layers for one value; the seals' contexts hold its keys, so that all its parts use one.

    Attributes:
        before: The layers that see the whole payload.
        after: The layers that run once a part.
    """

    __slots__ = ("_bound", "_seals", "after", "before")

    def __init__(self, plan: Plan, place: Place, deployment: str, facts: tuple[FactBlock, ...] | None = None) -> None:
        """Seat every layer of `plan`; `facts` are those of the object's header on a read.

        Raises:
            IntegrityError: The header has facts for other layers than the seals.
        """
        if facts is not None and tuple([each.position for each in facts]) != plan.seal_positions:
            raise IntegrityError
        self._bound = partial(pack_binding, deployment, plan.manifest, place)
        self._seals: list[LayerContext] = []
        self.before = self._seat(plan.before, facts)
        self.after = self._seat(plan.after, facts)

    def _seat(self, seats: tuple[Seat, ...], facts: tuple[FactBlock, ...] | None) -> Leg:
        """Give each seal a context of its own."""
        leg = list(seats)
        for index, (layer, shared) in enumerate(seats):
            if layer.strength:
                known = None if facts is None else facts[len(self._seals)]
                context = shared.fresh(partial(self._bound, PART_BEFORE_SPLIT), known)
                self._seals.append(context)
                leg[index] = (layer, context)
        return leg

    def label(self, part: bytes) -> None:
        """Say which part the layers after the split work on next."""
        for layer, context in self.after:
            if layer.strength:
                context.bind = partial(self._bound, part)

    def facts(self) -> tuple[FactBlock, ...] | None:
        """Return the seals' facts, or None as long as a seal has not seen its first segment."""
        facts = [context.facts for context in self._seals]
        return None if None in facts else tuple(facts)  # type: ignore[arg-type]  # None was looked for


def encode(leg: Leg, source: Payload) -> Payload:
    """Stream a payload through the layers of a leg."""
    for layer, context in leg:
        source = layer.encode(source, context)
    return source


def decode(leg: Leg, source: Payload) -> Payload:
    """Undo `encode`."""
    for layer, context in reversed(leg):
        source = layer.decode(source, context)
    return source


def encode_whole(leg: Leg, payload: Segment) -> Segment:
    """Take a small payload through the layers of a leg, one call each."""
    for layer, context in leg:
        payload = layer.encode_whole(payload, context)
    return payload


def decode_whole(leg: Leg, payload: Segment) -> Segment:
    """Undo `encode_whole`."""
    for layer, context in reversed(leg):
        payload = layer.decode_whole(payload, context)
    return payload
