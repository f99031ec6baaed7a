"""Envelopes, head records, leads and bindings: the committed vectors against the code."""

from __future__ import annotations

import pytest

from lamella.errors import IntegrityError, LimitExceededError, ManifestRefusedError
from lamella.limits import DEFAULT_LIMITS
from lamella.protocols.layer import FactBlock
from lamella.wire.binding import PART_BEFORE_SPLIT, PART_HEAD, PART_WHOLE, pack_binding, part_label
from lamella.wire.envelope import Header, pack_header, read_header, unpack_header
from lamella.wire.head import HeadRecord, pack_head, unpack_head
from lamella.wire.lead import pack_lead, read_lead, unpack_lead
from lamella.wire.locator import Place

_ENVELOPE_REASONS = {
    "cut",
    "fact-order",
    "fact-size",
    "header-length",
    "magic",
    "manifest-length",
    "record",
    "shape",
    "version",
}
_HEAD_ERRORS = {
    "generation": IntegrityError,
    "limit": LimitExceededError,
    "part-count": IntegrityError,
    "record": IntegrityError,
}
_LEAD_REASONS = {"codec", "cut", "fields", "kind", "map-index", "record", "text"}
_PARTS = {None: PART_BEFORE_SPLIT, "whole": PART_WHOLE, "head": PART_HEAD}


def _facts(told):
    return FactBlock(**{name: bytes.fromhex(each) if isinstance(each, str) else each for name, each in told.items()})


def _in_bytes(raw):
    return iter([raw[at : at + 1] for at in range(len(raw))])


def test_accepted_envelope_says_what_the_vector_says_and_has_one_spelling(accept_envelope):
    raw = bytes.fromhex(accept_envelope["object"])
    header, end = unpack_header(raw)
    facts = tuple(map(_facts, accept_envelope["facts"]))
    assert header == Header(accept_envelope["shape"], accept_envelope["manifest"], facts)
    assert raw[end:].hex() == accept_envelope["payload"]
    assert pack_header(*header) + raw[end:] == raw


def test_accepted_envelope_is_read_from_any_segments(accept_envelope):
    header, payload = read_header(_in_bytes(bytes.fromhex(accept_envelope["object"])))
    assert header.manifest == accept_envelope["manifest"]
    assert b"".join(payload).hex() == accept_envelope["payload"]


def test_rejected_envelope_is_refused(reject_envelope):
    raw = bytes.fromhex(reject_envelope["object"])
    newer = reject_envelope["reason"] == "version" and raw[4] > 1
    with pytest.raises(ManifestRefusedError if newer else IntegrityError):
        unpack_header(raw)


def test_accepted_head_says_what_the_vector_says_and_has_one_spelling(accept_head):
    raw = bytes.fromhex(accept_head["record"])
    head = unpack_head(raw, DEFAULT_LIMITS)
    generation = bytes.fromhex(accept_head["generation"])
    assert head == HeadRecord(generation, accept_head["part_count"], accept_head["size_bytes"])
    assert pack_head(head) == raw


def test_rejected_head_is_refused_for_the_reason_given(reject_head):
    with pytest.raises(_HEAD_ERRORS[reject_head["reason"]]):
        unpack_head(bytes.fromhex(reject_head["record"]), DEFAULT_LIMITS)


def test_accepted_lead_says_what_the_vector_says_and_has_one_spelling(accept_lead, to_address):
    raw = bytes.fromhex(accept_lead["payload"])
    lead, end = unpack_lead(raw)
    address = to_address(accept_lead["address"])
    assert (lead.codec, lead.address()) == (accept_lead["codec"], address)
    assert raw[end:].hex() == accept_lead["value"]
    assert pack_lead(lead.codec, address) == raw[:end]


def test_accepted_lead_is_read_from_any_segments(accept_lead):
    lead, value = read_lead(_in_bytes(bytes.fromhex(accept_lead["payload"])))
    assert lead.codec == accept_lead["codec"]
    assert b"".join(value).hex() == accept_lead["value"]


def test_rejected_lead_is_refused(reject_lead):
    with pytest.raises(IntegrityError):
        unpack_lead(bytes.fromhex(reject_lead["payload"]))[0].address()


def test_binding_is_that_of_the_vector(accept_binding):
    told = accept_binding["part"]
    part = part_label(bytes.fromhex(told[0]), told[1], last=told[2]) if isinstance(told, list) else _PARTS[told]
    place = Place(*[accept_binding[name] for name in ("kind", "scope_id", "map_index", "key_id")])
    facts = _facts(accept_binding["facts"])
    packed = pack_binding(accept_binding["deployment"], accept_binding["manifest"], place, part, facts)
    assert packed.hex() == accept_binding["binding"]


def test_every_reason_has_a_vector(reasons):
    assert reasons("envelope") == _ENVELOPE_REASONS
    assert reasons("head") == _HEAD_ERRORS.keys()
    assert reasons("lead") == _LEAD_REASONS
