"""What a manifest means here: its layers, ready to encode or decode."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lamella.errors import LamellaError, ManifestRefusedError, UnknownPluginError
from lamella.interruption import passes
from lamella.protocols.layer import BytesLayer, Layer, LayerContext, SplitLayer
from lamella.wire.manifest import format_manifest, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamella.limits import Limits
    from lamella.protocols.key_provider import ValueKeys
    from lamella.protocols.layer import Entry, FactBlock
    from lamella.registry import Registry

__all__ = ["Plan", "Seat", "plan_layers", "plan_manifest"]


_LEAD_ROOM_BYTES = 128 * 1024

Seat = tuple[BytesLayer, LayerContext]
"""A layer and what it may know."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The layers of one manifest.

    Attributes:
        manifest: The manifest's text.
        layers: In write order.
        split_at: The position of the split, or the number of layers where there is none.
        split: The layer that splits, if any.
        seal_positions: Where the seals stand in the manifest.
        strengths: Their strength classes.
        strongest: The highest of them, 0 where nothing seals.
        before: The layers that see the whole payload, with contexts that all values share; a seal gets a fresh one.
        after: The layers that run once a part, likewise.
        seals_before: Where the seals stand in `before`.
        seals_after: Where they stand in `after`.
    """

    manifest: str
    layers: tuple[Layer, ...]
    split_at: int
    split: SplitLayer | None
    seal_positions: tuple[int, ...]
    strengths: tuple[int, ...]
    strongest: int
    before: tuple[Seat, ...]
    after: tuple[Seat, ...]
    seals_before: tuple[int, ...]
    seals_after: tuple[int, ...]


def plan_layers(layers: Sequence[Layer], keys: ValueKeys, limits: Limits) -> Plan:
    """Plan a write through these layers.

    Raises:
        ManifestRefusedError: A layer's entry breaks the grammar of manifests, or there are two splits.
    """
    splits = [(position, layer) for position, layer in enumerate(layers) if isinstance(layer, SplitLayer)]
    if len(splits) > 1:
        raise ManifestRefusedError("the manifest splits twice; no stack writes that")
    # A payload is its value with a lead, runs and padding around it; the value itself is held to its limit at the end.
    roomy = replace(limits, max_value_bytes=limits.max_value_bytes * 9 // 8 + _LEAD_ROOM_BYTES)
    seats = [
        (layer, LayerContext(position, roomy, keys, _bind_nothing))
        for position, layer in enumerate(layers)
        if isinstance(layer, BytesLayer)
    ]
    split_at, split = splits[0] if splits else (len(layers), None)
    seal_positions = tuple(position for position, layer in enumerate(layers) if layer.strength)
    strengths = tuple(layers[position].strength for position in seal_positions)
    return Plan(
        manifest=format_manifest(tuple(map(_entry, layers))),
        layers=tuple(layers),
        split_at=split_at,
        split=split,
        seal_positions=seal_positions,
        strengths=strengths,
        strongest=max(strengths, default=0),
        before=tuple(seats[:split_at]),
        after=tuple(seats[split_at:]),
        seals_before=tuple(position for position in seal_positions if position < split_at),
        seals_after=tuple(position - split_at - 1 for position in seal_positions if position > split_at),
    )


def plan_manifest(text: str, registry: Registry, keys: ValueKeys, limits: Limits) -> Plan:
    """Plan a read of what this manifest describes.

    Raises:
        ManifestRefusedError: It is too long, or a layer is not installed or not in that version.
    """
    entries = parse_manifest(text)
    if len(entries) > limits.max_layers:
        raise ManifestRefusedError(f"the manifest has {len(entries)} layers, limits.max_layers is {limits.max_layers}")
    try:
        plan = plan_layers([_decoder(registry, entry) for entry in entries], keys, limits)
    except UnknownPluginError as error:
        raise ManifestRefusedError(str(error)) from None
    if plan.manifest != text:
        raise ManifestRefusedError("a layer does not give its own entry back; report it to its distribution")
    return plan


def _entry(layer: Layer) -> Entry:
    with _naming(layer.name):
        entry = layer.entry()
        format_manifest((entry,))
        return entry


def _decoder(registry: Registry, entry: Entry) -> Layer:
    cls = registry.layer(entry.name)
    with _naming(entry.name):
        layer = cls.from_entry(entry)
        if not isinstance(layer, Layer):
            raise TypeError(layer)
        return layer


@contextmanager
def _naming(layer: str) -> Iterator[None]:
    """Name a layer that raises on its manifest entry, or gives something else in place of one."""
    try:
        yield
    except Exception as error:
        if passes(error):
            raise
        raise ManifestRefusedError(
            f"layer {layer!r} failed with {type(error).__name__} on its manifest entry; report it to its distribution",
            layer=layer,
        ) from None


def _bind_nothing(facts: FactBlock) -> bytes:
    """Stand in for the binding of a layer that does not seal, and of a part that is not labelled yet."""
    raise LamellaError(
        f"the layer at position {facts.position} seals, but it has no strength, or its part no label; report it"
    )
