"""What a manifest means here: its layers, ready to encode or decode."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lamella.errors import IntegrityError, ManifestRefusedError, UnknownPluginError
from lamella.protocols.layer import BytesLayer, LayerContext, SplitLayer
from lamella.wire.binding import PART_BEFORE_SPLIT, pack_binding
from lamella.wire.manifest import format_manifest, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.limits import Limits
    from lamella.protocols.key_provider import ValueKeys
    from lamella.protocols.layer import FactBlock, Layer, Payload
    from lamella.registry import Registry
    from lamella.wire.locator import Place

__all__ = ["Passage", "Plan", "plan_layers", "plan_manifest"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The layers of one manifest.

    Attributes:
        manifest: The manifest's text.
        layers: In write order.
        split_at: The position of the split, or the number of layers where there is none.
        strengths: The strength classes of the seals.
    """

    manifest: str
    layers: tuple[Layer, ...]
    split_at: int
    strengths: tuple[int, ...]

    @property
    def split(self) -> SplitLayer | None:
        """The layer that splits, if any."""
        layer = self.layers[self.split_at] if self.split_at < len(self.layers) else None
        return layer if isinstance(layer, SplitLayer) else None

    @property
    def seals_parts(self) -> bool:
        """Whether a seal stands after the split, so that each part has a binding of its own."""
        return any(layer.strength for layer in self.layers[self.split_at + 1 :])


def plan_layers(layers: Sequence[Layer]) -> Plan:
    """Plan a write through these layers.

    Raises:
        ManifestRefusedError: A layer's entry breaks the grammar of manifests, or there are two splits.
    """
    splits = [position for position, layer in enumerate(layers) if isinstance(layer, SplitLayer)]
    if len(splits) > 1:
        raise ManifestRefusedError("the manifest splits twice; no stack writes that")
    return Plan(
        manifest=format_manifest(tuple(layer.entry() for layer in layers)),
        layers=tuple(layers),
        split_at=splits[0] if splits else len(layers),
        strengths=tuple(layer.strength for layer in layers if layer.strength),
    )


def plan_manifest(text: str, registry: Registry, limits: Limits) -> Plan:
    """Plan a read of what this manifest describes.

    Raises:
        ManifestRefusedError: It is too long, or a layer is not installed or not in that version.
    """
    entries = parse_manifest(text)
    if len(entries) > limits.max_layers:
        raise ManifestRefusedError(f"the manifest has {len(entries)} layers, limits.max_layers is {limits.max_layers}")
    try:
        plan = plan_layers([registry.layer(entry.name).from_entry(entry) for entry in entries])
    except UnknownPluginError as error:
        raise ManifestRefusedError(str(error)) from None
    if plan.manifest != text:
        raise ManifestRefusedError("a layer does not give its own entry back; report it to its distribution")
    return plan


class Passage:
    """One value's way through a plan's layers, in one direction.

    Its contexts hold the value's keys, so that all parts of a value use one key.
    """

    __slots__ = ("_bound", "_contexts", "_plan")

    def __init__(  # noqa: PLR0913 - the six facts of one value's way
        self,
        plan: Plan,
        place: Place,
        deployment: str,
        keys: ValueKeys,
        limits: Limits,
        facts: Sequence[FactBlock] = (),
    ) -> None:
        """Seat the layers; `facts` are those of the object's header on a read.

        Raises:
            IntegrityError: The header has facts for other layers than the seals.
        """
        self._plan = plan
        self._bound = partial(pack_binding, deployment, plan.manifest, place)
        by_position = {each.position: each for each in facts}
        before = partial(self._bound, PART_BEFORE_SPLIT)
        self._contexts = [
            LayerContext(position, limits, keys, before, by_position.pop(position, None))
            for position in range(len(plan.layers))
        ]
        if by_position or (facts and any(context.facts is None for context in self._seals())):
            raise IntegrityError

    def encode_before(self, source: Payload) -> Payload:
        """Encode by the layers that see the whole payload."""
        return self._encode(0, self._plan.split_at, source)

    def encode_after(self, source: Payload, part: bytes) -> Payload:
        """Encode one part, or what stands for one, by the layers after the split."""
        self._label(part)
        return self._encode(self._plan.split_at + 1, len(self._plan.layers), source)

    def decode_before(self, source: Payload) -> Payload:
        """Undo `encode_before`."""
        return self._decode(0, self._plan.split_at, source)

    def decode_after(self, source: Payload, part: bytes) -> Payload:
        """Undo `encode_after`."""
        self._label(part)
        return self._decode(self._plan.split_at + 1, len(self._plan.layers), source)

    def facts(self) -> tuple[FactBlock, ...] | None:
        """Return the seals' facts, or None as long as a seal has not seen its first segment."""
        facts = tuple([context.facts for context in self._seals()])
        return None if None in facts else facts  # type: ignore[return-value]  # None was looked for

    def _seals(self) -> list[LayerContext]:
        return [context for layer, context in zip(self._plan.layers, self._contexts, strict=True) if layer.strength]

    def _label(self, part: bytes) -> None:
        bind = partial(self._bound, part)
        for context in self._contexts[self._plan.split_at + 1 :]:
            context.bind = bind

    def _encode(self, first: int, end: int, source: Payload) -> Payload:
        for position in range(first, end):
            layer = self._plan.layers[position]
            if isinstance(layer, BytesLayer):
                source = layer.encode(source, self._contexts[position])
        return source

    def _decode(self, first: int, end: int, source: Payload) -> Payload:
        for position in reversed(range(first, end)):
            layer = self._plan.layers[position]
            if isinstance(layer, BytesLayer):
                source = layer.decode(source, self._contexts[position])
        return source
