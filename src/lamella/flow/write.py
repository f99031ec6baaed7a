"""The way in: value, layers, parts, commit, ref.

A value that its split layer leaves whole is one put. Else its parts are put under a fresh generation, the head replaces
what was there in one step, and only then the parts of the generation that it replaced are removed.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from lamella.errors import LimitExceededError, StoreError
from lamella.flow.commit import commit
from lamella.flow.edge import encoding
from lamella.flow.erase import remove_generation
from lamella.flow.passage import encode, encode_whole
from lamella.limits import SEGMENT_BYTES
from lamella.wire.binding import PART_HEAD, PART_WHOLE, part_label
from lamella.wire.envelope import HEAD, WHOLE, pack_header
from lamella.wire.head import HeadRecord, pack_head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamella.flow.engine import Engine, Target
    from lamella.flow.passage import Passage
    from lamella.protocols.layer import Payload, Segment
    from lamella.scope import Address
    from lamella.wire.locator import Place

__all__ = ["write"]

_SURELY_SPLIT = 16
"""From how many parts of plain bytes on a value is split at once, and no first part gathered to see if it is all."""


def write(engine: Engine, address: Address, codec: int, value: bytes | Payload, size_bytes: int | None = None) -> str:
    """Put a value's bytes at an address, and return its ref.

    Args:
        engine: The built stack.
        address: Where the value belongs.
        codec: The number of the value codec.
        value: The value's bytes in that codec.
        size_bytes: Their number, where it is known: a large value then streams from its first byte on.

    Raises:
        LimitExceededError: A ceiling is passed; nothing was replaced.
        StoreError: The store failed; what was there before is still there, or the new value is.
    """
    target = engine.target(codec, address)
    passage = engine.passage(engine.plan, target.place)
    try:
        if isinstance(value, bytes) and len(value) < SEGMENT_BYTES:
            body = _write_small(engine, target, passage, target.lead + value)
        else:
            stream = chain((target.lead,), iter((value,)) if isinstance(value, bytes) else value)
            body = _write_stream(engine, target, passage, encode(passage.before, stream), size_bytes)
    except BaseException as error:
        encoding(target.locator).judge(error)
        raise
    return target.ref if body is None else engine.ref(target.place, body)


def _write_small(engine: Engine, target: Target, passage: Passage, payload: bytes) -> bytes | None:
    """Put a value that one call a layer can take; return the ref's body where the store keeps none."""
    encoded = encode_whole(passage.before, payload)
    split = engine.plan.split
    if split is not None:
        if len(encoded) > split.part_bytes:
            return _write_stream(engine, target, passage, iter((encoded,)), None)
        if passage.after:
            passage.label(PART_WHOLE)
            encoded = encode_whole(passage.after, encoded)
    header = pack_header(WHOLE, engine.plan.manifest, passage.known_facts())
    return _put_whole(engine, target, iter((b"".join((header, encoded)),)))


def _write_stream(
    engine: Engine, target: Target, passage: Passage, payload: Payload, size_bytes: int | None
) -> bytes | None:
    """Put a value as it streams by; return the ref's body where the store keeps none."""
    split = engine.plan.split
    if split is None:
        return _put_whole(engine, target, _envelope(WHOLE, engine.plan.manifest, passage, payload))
    parts = split.split(payload)
    first: Payload = next(parts, iter(()))
    if size_bytes is None or size_bytes <= _SURELY_SPLIT * split.part_bytes:
        gathered = list(first)
        second = next(parts, None)
        if second is None:
            passage.label(PART_WHOLE)
            encoded = encode(passage.after, iter(gathered))
            return _put_whole(engine, target, _envelope(WHOLE, engine.plan.manifest, passage, encoded))
        first, parts = iter(gathered), chain((second,), parts)
    _put_split(engine, target.place, passage, chain((first,), parts))
    return None


def _put_whole(engine: Engine, target: Target, envelope: Payload) -> bytes | None:
    if engine.store.in_ref:
        return _gather(envelope, engine.limits.max_inline_bytes)
    engine.store.put(target.locator, envelope)
    return None


def _put_split(engine: Engine, place: Place, passage: Passage, parts: Iterator[Payload]) -> None:
    """Put the parts under a fresh generation, then commit the head that names them."""
    generation = engine.keyring.hedge(place.head.encode())
    try:
        head = _put_parts(engine, place, passage, generation, parts)
        passage.label(PART_HEAD)
        record = encode(passage.after, iter((pack_head(head),)))
        envelope = b"".join(_envelope(HEAD, engine.plan.manifest, passage, record))
    except BaseException:
        with suppress(StoreError):
            remove_generation(engine.store, place, generation)
        raise
    commit(engine, place, envelope, head)


def _envelope(shape: int, manifest: str, passage: Passage, payload: Payload) -> Payload:
    """Yield the header, which waits for the seals' facts, and the payload."""
    held: list[Segment] = []
    while not passage.sealed and (segment := next(payload, None)) is not None:
        held.append(segment)
    yield pack_header(shape, manifest, passage.known_facts())
    yield from held
    yield from payload


def _gather(envelope: Payload, limit_bytes: int) -> bytes:
    blob = bytearray()
    for segment in envelope:
        blob += segment
        if len(blob) > limit_bytes:
            raise LimitExceededError(
                f"the sealed value is longer than limits.max_inline_bytes, {limit_bytes}: the inline store keeps it in "
                "the ref; configure a store that holds objects, such as sqlite:///state.db"
            )
    return bytes(blob)


def _put_parts(
    engine: Engine, place: Place, passage: Passage, generation: bytes, parts: Iterator[Payload]
) -> HeadRecord:
    """Put every part and return the head record that names them."""
    size_bytes = number = 0

    def counted(part: Payload) -> Payload:
        nonlocal size_bytes
        for segment in part:
            size_bytes += len(segment)
            yield segment

    for part, last in _with_last(parts, look_ahead=bool(engine.plan.seals_after)):
        if number >= engine.limits.max_parts:
            raise LimitExceededError(
                f"the value has more than limits.max_parts, {engine.limits.max_parts}, parts; use larger ones"
            )
        passage.label(part_label(generation, number, last=last))
        engine.store.put(place.part(generation, number), encode(passage.after, counted(part)))
        number += 1
    return HeadRecord(generation, number, size_bytes)


def _with_last(parts: Iterator[Payload], *, look_ahead: bool) -> Iterator[tuple[Payload, bool]]:
    """Pair each part with whether it is the last; only what seals parts needs to know, at the price of holding one."""
    if not look_ahead:
        for part in parts:
            yield part, False
        return
    held = list(next(parts, ()))
    for part in parts:
        yield iter(held), False
        held = list(part)
    yield iter(held), True
