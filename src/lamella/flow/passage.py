"""One value's way through the layers of a plan, in one direction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from lamella.errors import IntegrityError, LamellaError
from lamella.protocols.layer import LayerContext
from lamella.wire.binding import PART_BEFORE_SPLIT, pack_binding

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.flow.plan import Plan, Seat
    from lamella.protocols.layer import FactBlock, Payload, Segment
    from lamella.wire.locator import Place

__all__ = ["Leg", "Passage", "decode", "decode_whole", "encode", "encode_whole"]

Leg = Sequence["Seat"]
"""The layers on one side of the split, in write order, each in its context."""


class Passage:
    """Seats the layers for one value; the seals' contexts hold its keys, so that all its parts use one.

    Attributes:
        before: The layers that see the whole payload.
        after: The layers that run once a part.
    """

    __slots__ = ("_deployment", "_place", "_plan", "_seals", "after", "before")

    def __init__(self, plan: Plan, place: Place, deployment: str, facts: tuple[FactBlock, ...] | None = None) -> None:
        """Seat every layer of `plan`; `facts` are those of the object's header on a read.

        Raises:
            IntegrityError: The header has facts for other layers than the seals.
        """
        if facts is not None and tuple([each[0] for each in facts]) != plan.seal_positions:
            raise IntegrityError
        self._plan = plan
        self._place = place
        self._deployment = deployment
        self._seals: list[LayerContext] = []
        self.before: Leg = plan.before
        self.after: Leg = plan.after
        if plan.seals_before:
            self.before = self._seat(plan.before, plan.seals_before, self._binder(PART_BEFORE_SPLIT), facts)
        if plan.seals_after:
            self.after = self._seat(plan.after, plan.seals_after, None, facts)

    def _binder(self, part: bytes) -> Callable[[FactBlock], bytes]:
        return partial(pack_binding, self._deployment, self._plan.manifest, self._place, part)

    def _seat(
        self,
        shared_leg: Leg,
        seals: tuple[int, ...],
        bind: Callable[[FactBlock], bytes] | None,
        facts: tuple[FactBlock, ...] | None,
    ) -> Leg:
        """Give each seal a context of its own; without a binding it waits for its label."""
        leg = [*shared_leg]
        for index in seals:
            layer, shared = leg[index]
            known = None if facts is None else facts[len(self._seals)]
            context = LayerContext(shared.position, shared.limits, shared.keys, bind or shared.bind, known)
            self._seals.append(context)
            leg[index] = (layer, context)
        return leg

    def label(self, part: bytes) -> None:
        """Say which part the layers after the split work on next."""
        for index in self._plan.seals_after:
            self.after[index][1].bind = self._binder(part)

    @property
    def sealed(self) -> bool:
        """Whether every seal has seen its first segment and set its facts."""
        return all(context.facts is not None for context in self._seals)

    def known_facts(self) -> tuple[FactBlock, ...]:
        """Return the seals' facts.

        Raises:
            LamellaError: A seal encoded without setting them.
        """
        facts = tuple([context.facts for context in self._seals if context.facts is not None])
        if len(facts) != len(self._seals):
            raise LamellaError("a sealing layer set no facts; report it to its distribution")
        return facts


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
