"""Opening what rests at a head's locator: the envelope, and the head record of a split value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamella.errors import IntegrityError, KeyringError, LimitExceededError, ObjectNotFoundError, RefError
from lamella.flow.edge import decoding
from lamella.flow.passage import decode
from lamella.protocols.store import ABSENT
from lamella.wire.binding import PART_HEAD
from lamella.wire.envelope import HEAD, read_header
from lamella.wire.head import unpack_head

if TYPE_CHECKING:
    from lamella.flow.engine import Engine
    from lamella.flow.passage import Passage
    from lamella.protocols.layer import Payload
    from lamella.protocols.store import Condition, Store
    from lamella.wire.head import HeadRecord
    from lamella.wire.locator import Place

__all__ = ["UNOPENABLE", "current_generation", "named_generation", "open_head"]

UNOPENABLE: Final = (IntegrityError, RefError, KeyringError, LimitExceededError)
"""What is raised by an object that this process cannot open: damaged, or of other keys, layers or limits."""

_MAX_HEAD_BYTES = 64 * 1024


def open_head(engine: Engine, passage: Passage, payload: Payload) -> HeadRecord:
    """Decode the head record of a split value.

    Raises:
        IntegrityError: It is not what was written.
        LimitExceededError: It names more parts than the limits allow.
    """
    raw = bytearray()
    passage.label(PART_HEAD)
    for segment in decode(passage.after, payload):
        raw += segment
        if len(raw) > _MAX_HEAD_BYTES:
            raise IntegrityError
    return unpack_head(bytes(raw), engine.limits)


def current_generation(engine: Engine, store: Store, place: Place) -> tuple[Condition, bytes | None]:
    """Return the version of what rests at a place, and the generation that it names, if any.

    What cannot be opened names no generation: it may be replaced, and its parts are left to a delete.
    """
    try:
        version, stream = store.get(place.head)
    except ObjectNotFoundError:
        return ABSENT, None
    try:
        return version, named_generation(engine, place, stream)
    except UNOPENABLE:
        return version, None


def named_generation(engine: Engine, place: Place, stream: Payload) -> bytes | None:
    """Return the generation that an object at a place names, None for a value that was left whole.

    Raises:
        LamellaError: It cannot be opened, so nobody can tell.
    """
    with decoding(place.head):
        header, payload = read_header(stream)
        if header.shape != HEAD:
            return None
        passage = engine.passage(engine.plan_of(header.manifest), place, header.facts)
        return open_head(engine, passage, payload).generation
