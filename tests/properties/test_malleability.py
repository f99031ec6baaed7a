"""What a parser of stored bytes takes, packs to the same bytes; what it does not take is a named error."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.armour import armour, unarmour
from lamella.errors import IntegrityError, KeyringError, LamellaError, LimitExceededError, RefError
from lamella.keys import edit
from lamella.keys.derive import ID_KEYRING, keyed_mac
from lamella.keys.document import pack, unpack
from lamella.limits import DEFAULT_LIMITS
from lamella.protocols.layer import Entry, FactBlock
from lamella.scope import Address, AssetScope, TaskScope, XComScope
from lamella.wire.envelope import Header, pack_header, read_header, unpack_header
from lamella.wire.head import HeadRecord, pack_head, unpack_head
from lamella.wire.lead import Lead, pack_lead, read_lead, unpack_lead
from lamella.wire.locator import Place
from lamella.wire.manifest import format_manifest, parse_manifest
from lamella.wire.ref import Ref, format_ref, parse_ref, peek_ref

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)
VALUES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
ENTRIES = st.builds(
    Entry,
    NAMES,
    st.integers(1, 255),
    st.dictionaries(NAMES, VALUES, max_size=2).map(lambda each: (*sorted(each.items()),)),
)
MANIFESTS = st.lists(ENTRIES, max_size=3).map(tuple)
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
PLACES = st.builds(Place, st.sampled_from(["asset", "task", "xcom"]), IDS, st.integers(-1, 2**31 - 1), IDS)
REFS = st.builds(
    Ref,
    st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True),
    MANIFESTS.map(format_manifest),
    PLACES,
    st.none() | st.binary(min_size=1, max_size=60),
)
BYTE = st.integers(0, 255)
FACTS = st.builds(
    FactBlock,
    *[BYTE] * 4,
    *[st.binary(min_size=size, max_size=size) for size in (8, 40, 16)],
    st.integers(0, 2**64 - 1),
)
HEADERS = st.builds(
    Header,
    st.sampled_from([0, 1]),
    MANIFESTS.map(format_manifest),
    st.lists(FACTS, max_size=3, unique_by=lambda each: each.position).map(lambda each: (*sorted(each),)),
)
HEADS = st.builds(
    lambda generation, count, more: HeadRecord(generation, count, count + more),
    st.binary(min_size=16, max_size=16),
    st.integers(1, DEFAULT_LIMITS.max_parts),
    st.integers(0, 2**40),
)
TEXTS = st.text(max_size=8)
ADDRESSES = st.builds(
    Address,
    st.one_of(
        st.builds(TaskScope, TEXTS, TEXTS, TEXTS, st.integers(-1, 99), region_id=st.none() | TEXTS),
        st.builds(XComScope, TEXTS, TEXTS, TEXTS, region_index=st.none() | st.integers(-1, 99)),
        st.builds(AssetScope, asset_id=st.integers(0, 99), uri=st.none() | TEXTS),
    ),
    TEXTS,
)

THOROUGH = settings(max_examples=5 * settings().max_examples)


def _mac(message, key_id):
    """Give every text one tag, so that the grammar alone decides."""
    del message, key_id
    return bytes(32)


@st.composite
def damaged(draw, whole):
    """Change, cut, double or insert a few bytes, or nothing."""
    text = bytearray(whole)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 4, len(text))))
        text[start:end] = draw(
            st.binary(max_size=4)
            | st.just(bytes(text[start:end]) * 2)
            | st.sampled_from([b"0", b"+", b":", b"~", b"="])
        )
    return bytes(text)


@THOROUGH
@given(st.data(), MANIFESTS)
def test_manifest(data, manifest):
    text = format_manifest(manifest)
    assert parse_manifest(text) == manifest
    other = data.draw(damaged(text.encode())).decode("latin-1")
    try:
        read = parse_manifest(other)
    except RefError:
        return
    assert format_manifest(read) == other


@THOROUGH
@given(st.data(), REFS)
def test_ref(data, ref):
    text = format_ref(ref, bytes(4), _mac)
    assert parse_ref(text, DEFAULT_LIMITS, _mac) == peek_ref(text, DEFAULT_LIMITS) == ref
    other = data.draw(damaged(text.encode())).decode("latin-1")
    try:
        read = parse_ref(other, DEFAULT_LIMITS, _mac)
    except RefError:
        return
    assert format_ref(read, bytes.fromhex(other.split(":")[2]), _mac) == other


@THOROUGH
@given(st.data(), HEADERS, st.binary(max_size=20))
def test_envelope_header(data, header, payload):
    packed = pack_header(*header)
    assert unpack_header(packed + payload) == (header, len(packed))
    other = data.draw(damaged(packed + payload))
    try:
        read, end = unpack_header(other)
    except (IntegrityError, RefError):
        return
    assert pack_header(*read) == other[:end]


@given(HEADERS, st.binary(max_size=9000), st.integers(1, 5000))
def test_envelope_header_is_read_off_a_stream_however_it_is_cut(header, payload, cut_bytes):
    whole = pack_header(*header) + payload
    read, rest = read_header(iter([whole[start : start + cut_bytes] for start in range(0, len(whole), cut_bytes)]))
    assert (read, b"".join(rest)) == (header, payload)


@THOROUGH
@given(st.data(), HEADS)
def test_head_record(data, head):
    packed = pack_head(head)
    assert unpack_head(packed, DEFAULT_LIMITS) == head
    other = data.draw(damaged(packed))
    try:
        read = unpack_head(other, DEFAULT_LIMITS)
    except (IntegrityError, LimitExceededError):
        return
    assert pack_head(read) == other


@THOROUGH
@given(st.data(), ADDRESSES, st.sampled_from([0, 1]), st.binary(max_size=10))
def test_lead_and_its_address(data, address, codec, value):
    packed = pack_lead(codec, address)
    other = data.draw(damaged(packed + value))
    try:
        lead, end = unpack_lead(other)
        read = lead.address()
    except IntegrityError:
        return
    assert pack_lead(lead.codec, read) == other[:end]


@given(ADDRESSES, st.binary(max_size=3000), st.integers(1, 500))
def test_lead_is_read_off_a_stream_however_it_is_cut(address, value, cut_bytes):
    whole = pack_lead(1, address) + value
    lead, rest = read_lead(iter([whole[start : start + cut_bytes] for start in range(0, len(whole), cut_bytes)]))
    assert (pack_lead(lead.codec, lead.address()) + value, b"".join(rest)) == (whole, value)


RECORD = edit.add(edit.keygen("malleability", created_at=1), "data", created_at=2)


@THOROUGH
@given(damaged(pack(RECORD).encode()))
def test_keyring_document(text):
    document = text.decode("latin-1")
    try:
        record = unpack(document)
    except KeyringError:
        return
    assert pack(record).removesuffix("\n") == document.removesuffix("\n")


@THOROUGH
@given(st.data())
def test_keyring_document_under_a_fresh_tag_of_its_own_key(data):
    body = data.draw(damaged(unarmour(pack(RECORD).split(":")[2])))
    signed = f"lamella-keyring:1:{armour(body)}"
    mac = keyed_mac(RECORD.primary("id").secret, ID_KEYRING)
    mac.update(signed.encode())
    document = f"{signed}:{armour(mac.finalize())}\n"
    try:
        record = unpack(document)
    except KeyringError:
        return
    assert pack(record) == document


@pytest.mark.parametrize(
    "parse",
    [
        unpack_header,
        partial(unpack_head, limits=DEFAULT_LIMITS),
        lambda raw: unpack_lead(raw)[0].address(),
        lambda raw: Lead(0, raw).address(),
        lambda raw: parse_manifest(raw.decode("latin-1")),
        lambda raw: peek_ref(raw.decode("latin-1"), DEFAULT_LIMITS),
        lambda raw: peek_ref("lamella:1:" + raw.decode("latin-1"), DEFAULT_LIMITS),
        lambda raw: unpack("lamella-keyring:1:" + raw.decode("latin-1")),
    ],
    ids=["header", "head", "lead", "address", "manifest", "text", "ref", "keyring"],
)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused_by_name(parse, raw):
    with suppress(LamellaError):
        parse(raw)


@given(REFS, st.integers(0, 2**32 - 1))
def test_ref_says_under_which_key_its_tag_is(ref, number):
    asked = []
    key_id = number.to_bytes(4, "big")
    text = format_ref(ref, key_id, _mac)
    parse_ref(text, DEFAULT_LIMITS, lambda message, key: asked.append((message, key)) or bytes(32))
    assert asked == [(text[:-43].encode(), key_id)]


@pytest.mark.parametrize("text", [None, 7, b"lamella:1:", ["lamella:1:"], {}])
def test_what_is_no_text_is_no_ref(text):
    with pytest.raises(RefError):
        peek_ref(text, DEFAULT_LIMITS)


def test_entry_that_has_no_text_is_refused_when_it_is_written():
    for entry in (
        Entry("Zstd", 1),
        Entry("a.1+b", 1),
        Entry("zstd", 0),
        Entry("zstd", 256),
        Entry("zstd", 1, (("b", "1"), ("a", "1"))),
    ):
        with pytest.raises(RefError):
            format_manifest((entry,))
    with pytest.raises(RefError):
        format_manifest((Entry("a", 1, (("p", "x" * 64),)),) * 9)


def test_header_that_claims_more_than_it_may_is_refused():
    packed = bytearray(pack_header(0, "-"))
    packed[5:7] = (4097).to_bytes(2, "big")
    with pytest.raises(IntegrityError):
        unpack_header(bytes(packed) + bytes(5000))
