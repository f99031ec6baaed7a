from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import KeyringError
from lamella.keys.document import MAX_DOCUMENT_BYTES, pack, unpack
from lamella.keys.edit import add, keygen
from lamella.keys.record import MAX_KEYS

_RECORD = keygen("documents", created_at=1)
_DOCUMENT = pack(_RECORD)


@given(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True), st.integers(0, 253402300799))
def test_document_gives_its_record_back(deployment, created_at):
    record = keygen(deployment, created_at=created_at)
    assert unpack(pack(record)) == record


@given(st.integers(0, len(_DOCUMENT) - 2), st.sampled_from(string.printable))
def test_document_with_any_character_altered_is_refused(position, character):
    altered = _DOCUMENT[:position] + character + _DOCUMENT[position + 1 :]
    if altered == _DOCUMENT:
        assert unpack(altered) == _RECORD
        return
    with pytest.raises(KeyringError):
        unpack(altered)


@given(st.integers(0, len(_DOCUMENT) - 2))
def test_document_that_is_cut_is_refused(length):
    with pytest.raises(KeyringError):
        unpack(_DOCUMENT[:length])


def test_document_ends_in_one_line_feed_that_may_be_left_out():
    assert _DOCUMENT.endswith("\n")
    assert unpack(_DOCUMENT.removesuffix("\n")) == _RECORD


def test_document_above_the_ceiling_is_refused_whatever_it_holds():
    with pytest.raises(KeyringError, match=f"more than {MAX_DOCUMENT_BYTES} bytes"):
        unpack(_DOCUMENT.ljust(MAX_DOCUMENT_BYTES + 1, "A"))


def test_full_keyring_fits_into_a_document_and_takes_no_further_key():
    record = _RECORD
    while len(record.keys) < MAX_KEYS:
        record = add(record, "data", created_at=253402300799)
    assert unpack(pack(record)) == record
    with pytest.raises(KeyringError, match="at most 512 keys"):
        add(record, "data", created_at=1)
