"""The way in: value, layers, parts, commit, ref.

A value that its split layer leaves whole is one put. Else its parts are put under a fresh generation, the head replaces
what was there in one step, and only then the parts of the generation that it replaced are removed.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from lamella.errors import LamellaError, LimitExceededError, StoreConflictError, StoreError
from lamella.flow.edge import encoding
from lamella.flow.erase import delete_version, remove_generation
from lamella.flow.head import current_generation
from lamella.wire.address import pack_address
from lamella.wire.binding import PART_HEAD, PART_WHOLE, part_label
from lamella.wire.envelope import HEAD, WHOLE, Header, pack_header
from lamella.wire.head import HeadRecord, pack_head
from lamella.wire.ref import Ref, format_ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamella.flow.engine import Engine
    from lamella.flow.plan import Passage
    from lamella.protocols.layer import Payload, Segment, SplitLayer
    from lamella.scope import Address
    from lamella.wire.locator import Place

__all__ = ["write"]

_COMMIT_TRIES = 5
_SURELY_SPLIT = 16
"""From how many parts of plain bytes on a value is split at once, and no first part gathered to see if it is all."""


def write(engine: Engine, address: Address, codec: int, value: Payload, size_bytes: int | None = None) -> str:
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
    place = engine.place(address)
    passage = engine.passage(engine.plan, place)
    payload = passage.encode_before(_with_address(pack_address(codec, address), value))
    split = engine.plan.split
    body = None
    with encoding(place.head):
        if split is None:
            body = _write_whole(engine, place, passage, payload)
        else:
            _write_split(engine, place, passage, split, payload, size_bytes)
    ref = Ref(engine.alias, engine.plan.manifest, place, body)
    return format_ref(ref, engine.keyring.ref_key_id, engine.keyring.mac_ref)


def _with_address(record: bytes, value: Payload) -> Payload:
    """Put the address record before the value, in one segment with its first."""
    return chain((record + bytes(next(value, b"")),), value)


def _write_whole(engine: Engine, place: Place, passage: Passage, payload: Payload) -> bytes | None:
    envelope = _envelope(WHOLE, engine.plan.manifest, passage, payload)
    if engine.store.in_ref:
        return _gather(envelope, engine.limits.max_inline_bytes)
    engine.store.put(place.head, envelope)
    return None


def _write_split(  # noqa: PLR0913 - the flow hands over all that it has
    engine: Engine, place: Place, passage: Passage, split: SplitLayer, payload: Payload, size_bytes: int | None
) -> None:
    parts = split.split(payload)
    first: Payload = next(parts, iter(()))
    if size_bytes is None or size_bytes <= _SURELY_SPLIT * split.part_bytes:
        gathered = list(first)
        second = next(parts, None)
        if second is None:
            whole = passage.encode_after(iter(gathered), PART_WHOLE)
            _write_whole(engine, place, passage, whole)
            return
        parts = chain((second,), parts)
        first = iter(gathered)
    generation = engine.keyring.hedge(place.head.encode())
    try:
        head = _put_parts(engine, place, passage, generation, chain((first,), parts))
        record = passage.encode_after(iter((pack_head(head),)), PART_HEAD)
        envelope = b"".join(_envelope(HEAD, engine.plan.manifest, passage, record))
    except BaseException:
        with suppress(StoreError):
            remove_generation(engine.store, place, generation)
        raise
    _commit(engine, place, envelope, head)


def _envelope(shape: int, manifest: str, passage: Passage, payload: Payload) -> Payload:
    """Yield the header, which waits for the seals' facts, and the payload."""
    lead: list[Segment] = []
    while (facts := passage.facts()) is None:
        segment = next(payload, None)
        if segment is None:
            raise LamellaError("a sealing layer set no facts; report it to its distribution")
        lead.append(segment)
    yield pack_header(Header(shape, manifest, facts))
    yield from lead
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

    for part, last in _with_last(parts, engine.plan.seals_parts):
        if number >= engine.limits.max_parts:
            raise LimitExceededError(
                f"the value has more than limits.max_parts, {engine.limits.max_parts}, parts; use larger ones"
            )
        label = part_label(generation, number, last=last)
        engine.store.put(place.part(generation, number), passage.encode_after(counted(part), label))
        number += 1
    return HeadRecord(generation, number, size_bytes)


def _with_last(parts: Iterator[Payload], look_ahead: bool) -> Iterator[tuple[Payload, bool]]:  # noqa: FBT001 - private
    """Pair each part with whether it is the last; only what seals parts needs to know, at the price of holding one."""
    if not look_ahead:
        for part in parts:
            yield part, False
        return
    held: list[Segment] | None = None
    for part in parts:
        if held is not None:
            yield iter(held), False
        held = list(part)
    if held is not None:
        yield iter(held), True


def _commit(engine: Engine, place: Place, envelope: bytes, head: HeadRecord) -> None:
    """Replace the head in one step, and remove the parts of the generation that it replaced.

    After any other error than a conflict the head may have been replaced, so the parts stay: a later delete finds them.

    Raises:
        StoreConflictError: Others kept writing, or erased the parts in the meantime.
    """
    store = engine.store
    version, replaced = current_generation(engine, store, place)
    for _ in range(_COMMIT_TRIES):
        try:
            version = store.put(place.head, (envelope,), if_version=version if store.conditional_put else None)
            break
        except StoreConflictError:
            version, current = current_generation(engine, store, place)
            if current == head.generation:  # The put was made, and repeated below us.
                break
            replaced = current
    else:
        remove_generation(store, place, head.generation)
        raise StoreConflictError("others kept writing this value; try again", locator=place.head)
    if sum(1 for _ in store.list(place.generation(head.generation))) != head.part_count:
        delete_version(store, place, version)
        remove_generation(store, place, head.generation)
        raise StoreConflictError("the value was erased while it was written; write it again", locator=place.head)
    if replaced is not None:
        remove_generation(store, place, replaced)
