"""Fuzz what lies behind the tag: the fuzzer's bytes are sealed with the right keys, then read.

| field | meaning |
|---|---|
| byte | which order of layers |
| byte | bits 0 to 5: 0 the payload is a value, put behind its lead; n it enters at layer n - 1, not beyond the seal |
| | bits 6 and 7: the size of the pieces in which the store serves |
| byte | modulo 17, the number of parts, 0 for a whole object |
| block | the head record; the true one where it is empty |
| rest | the payload |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import LIMITS, Fields, refused, same, start, vector
from hostile import ADDRESS, SEALED, STORE, UNSEALED, get, get_at, stream

from lamella.flow.passage import encode_whole
from lamella.testing.payloads import cut
from lamella.wire.binding import PART_HEAD, PART_WHOLE, part_label
from lamella.wire.codec import CODEC_JSON, load_json
from lamella.wire.envelope import HEAD, WHOLE, pack_header, unpack_header
from lamella.wire.head import HeadRecord, pack_head
from lamella.wire.lead import pack_lead

if TYPE_CHECKING:
    from lamella.flow.passage import Passage
    from lamella.protocols.layer import FactBlock

__all__ = ["ORDERS", "one_input"]

ORDERS = (
    "zstd.1+padme.1+cobblestone256.1+chunk.1",
    "zstd.1+chunk.1+padme.1+cobblestone256.1",
    "cobblestone256.1+zstd.1+chunk.1",
    "cobblestone256.1",
    "cobblestone256.1+chunk.1+cobblestone256.1",
    "zstd.1+padme.1+chunk.1",
    "-",
)
_CUTS = (0, 7, 61, 4096)
_MAX_PARTS = 16
_GENERATION = bytes(range(16))


def _facts() -> FactBlock:
    """Return the facts of a vector, whose wrapped key opens under the fixed keyring."""
    (stored,) = vector("object", "recommended")["stores"]["main"].values()
    header, _ = unpack_header(bytes.fromhex(stored))
    return header.facts[0]


_FACTS = _facts()


def one_input(data: bytes) -> None:
    fields = Fields(data)
    manifest, depth, count = ORDERS[fields.byte() % len(ORDERS)], fields.byte(), fields.byte() % (_MAX_PARTS + 1)
    record, payload = fields.block(), fields.rest()
    plan = SEALED.engine.plan_of(manifest)
    facts = tuple(_FACTS._replace(position=position) for position in plan.seal_positions)
    passage = SEALED.engine.passage(plan, SEALED.engine.place(ADDRESS), facts)
    entered = _enter(passage, payload, depth & 0x3F)
    shape = HEAD if count and plan.split else WHOLE
    parts: list[bytes] = []
    if shape == HEAD:
        pieces = [bytes(piece) for piece in cut(entered, -(-len(entered) // count) or 1)]
        body, parts = _split(passage, pieces, record)
    else:
        passage.label(PART_WHOLE)
        body = bytes(encode_whole(passage.after, entered))
    STORE.serve(pack_header(shape, manifest, facts) + body, parts, cut_bytes=_CUTS[depth >> 6])
    _read(payload, sealed=bool(facts), honest=not depth & 0x3F and not (record and parts))


def _enter(passage: Passage, payload: bytes, depth: int) -> bytes:
    """Take a payload through the layers before the split, from where it enters on."""
    if depth == 0:
        return bytes(encode_whole(passage.before, pack_lead(CODEC_JSON, ADDRESS) + payload))
    seals = [index for index, (layer, _) in enumerate(passage.before) if layer.strength]
    return bytes(encode_whole(passage.before[min(depth - 1, *seals, len(passage.before)) :], payload))


def _split(passage: Passage, pieces: list[bytes], record: bytes) -> tuple[bytes, list[bytes]]:
    """Return the encoded head record and the encoded parts."""
    parts = []
    for number, piece in enumerate(pieces):
        passage.label(part_label(_GENERATION, number, last=number == len(pieces) - 1))
        parts.append(bytes(encode_whole(passage.after, piece)))
    passage.label(PART_HEAD)
    record = record or pack_head(HeadRecord(_GENERATION, len(pieces), sum(map(len, pieces))))
    return bytes(encode_whole(passage.after, record)), parts


def _read(payload: bytes, *, sealed: bool, honest: bool) -> None:
    """Read what the store serves; a payload that was a value has to come back as it was."""
    stack = SEALED if sealed else UNSEALED
    value, streamed = get_at(stack), stream(stack)
    if sealed:
        same(repr(get(stack)), repr(value), "a ref and its address lead to different values")
    if honest:
        same(repr(value), repr(refused(_loaded, payload)), "the value that was sealed is not the one that is read")
    if honest and sealed:
        same(streamed, payload, "the bytes that were sealed are not those that are read")
    refused(stack.delete, ADDRESS)


def _loaded(payload: bytes) -> object:
    LIMITS.check_value(len(payload))
    return load_json(payload)


if __name__ == "__main__":
    import atheris

    start(atheris, one_input)
