"""How cost grows: with the bytes of a value, with the objects in the store, with the layers of the stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, ClassVar

import data
from contenders import Contender, addresses, recommended_stack
from measure import Case, differences, interleave, spread
from rows import Goal, Row, row_of_times

from lamella.keys.keyring import Keyring
from lamella.policy import Policy
from lamella.protocols.layer import BytesLayer
from lamella.registry import installed_registry
from lamella.stack import Stack
from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.memory import MemoryStore
from lamella_layers.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from effort import Effort
    from measure import Samples

    from lamella.protocols.layer import LayerContext, Payload
    from lamella.protocols.store import Store
    from lamella.scope import Address

__all__ = ["by_bytes", "by_layers", "by_objects"]

_MIB = (1, 4, 16, 64)
_MOST_LAYERS = 4
_FLAT = 1.25
_LAYER_GOAL = Goal(3, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassThrough(BytesLayer):
    """Does nothing, with no more than a layer must have: what is left is the price of a layer."""

    name: ClassVar[str] = "pass_through"

    def encode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield what comes."""
        del context
        yield from source

    def decode(self, source: Payload, context: LayerContext) -> Payload:
        """Yield what comes."""
        del context
        yield from source


def by_bytes(effort: Effort, folder: Path) -> list[Row]:
    """Measure streams of 1 to 64 MiB, per MiB."""
    stack = recommended_stack(DirectoryStore(folder / "objects", fsync="off"))
    pieces = list(data.log_pieces(max(_MIB)))
    cases: list[Case] = []
    for size, address in zip(_MIB, addresses(len(_MIB)), strict=True):
        cases += _stream_cases(stack, address, pieces[:size])
    return _flat_rows(
        "Growth with bytes, time of 1 MiB", "log", interleave(cases, effort.large_rounds), f"{_MIB[0]} MiB"
    )


def by_objects(effort: Effort, folder: Path) -> list[Row]:
    """Measure puts of S into one scope that holds many objects already."""
    values = data.small()
    cases: list[Case] = []
    for count in effort.objects:
        stores: dict[str, Store] = {
            "directory": DirectoryStore(folder / f"{count}", fsync="off"),
            "sqlite": SqliteStore(folder / f"{count}.db"),
        }
        for name, store in stores.items():
            stack = recommended_stack(store)
            for number, address in enumerate(addresses(count, "earlier")):
                stack.put(address, number)
            contender = Contender(f"{count:,} objects", stack.put, stack.get, addresses(len(values)))
            put, _ = contender.cases(values)
            cases.append(replace(put, label=(name, contender.who)))
    first = f"{effort.objects[0]:,} objects"
    return _flat_rows("Growth with objects", "S put,", interleave(cases, effort.rounds), first)


def by_layers(effort: Effort, _: Path) -> list[Row]:
    """Measure S through 0 to 4 layers that do nothing, over the memory store."""
    values = data.small()
    cases: list[Case] = []
    for count in range(_MOST_LAYERS + 1):
        stack = Stack(
            (PassThrough(),) * count,
            MemoryStore(),
            Keyring.ephemeral("bench"),
            policy=Policy(allow_plaintext=True),
            registry=installed_registry().with_layers(PassThrough),
        )
        cases += Contender(f"layers: {count}", stack.put, stack.get, addresses(len(values))).cases(values)
    samples = interleave(cases, effort.rounds)
    group = "Growth with layers"
    rows = [row_of_times(group, f"S {case.label[0]}", case.label, samples, ("layers: 0",)) for case in cases]
    for operation in ("put", "get"):
        more = differences(samples[operation, f"layers: {_MOST_LAYERS}"], samples[operation, "layers: 0"])
        value = spread([1e6 * each / _MOST_LAYERS for each in more])
        rows.append(
            Row(group=group, what=f"S {operation}", who="each layer", unit="us", value=value, goals=(_LAYER_GOAL,))
        )
    return rows


def _flat_rows(group: str, what: str, samples: Samples, first: str) -> list[Row]:
    """Hold every case against the smallest one of its operation."""
    return [
        row_of_times(
            group, f"{what} {label[0]}", label, samples, (first,), () if label[1] == first else (Goal(_FLAT, first),)
        )
        for label in samples
    ]


def _stream_cases(stack: Stack, address: Address, pieces: list[bytes]) -> list[Case]:
    who = f"{len(pieces)} MiB"
    size_bytes = len(pieces) * data.MIB
    ref = stack.put_stream(address, pieces, size_bytes)
    out = BytesIO()

    def get() -> None:
        out.seek(0)
        stack.get_into(ref, out)

    get()
    if out.getvalue() != b"".join(pieces):
        raise SystemExit(f"{who} do not come back as they were put, so their times say nothing")
    return [
        Case(("put", who), lambda: stack.put_stream(address, pieces, size_bytes), len(pieces)),
        Case(("get", who), get, len(pieces)),
    ]
