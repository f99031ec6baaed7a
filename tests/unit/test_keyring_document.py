from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import KeyringError
from lamella.keys.document import MAX_DOCUMENT_BYTES, pack, unpack
from lamella.keys.edit import add, disable, keygen, promote
from lamella.keys.record import MAX_KEYS

_RECORD = keygen("documents", created_at=1)
_DOCUMENT = pack(_RECORD)
_STAGED = add(_RECORD, "data", created_at=1)


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


@pytest.mark.parametrize(
    "edited",
    [
        disable(_STAGED, _STAGED.keys[-1].key_id),
        promote(_STAGED, _STAGED.keys[-1].key_id),
        add(_STAGED, "data", created_at=2),
        replace(_STAGED, epoch=_STAGED.epoch + 1),
        replace(_STAGED, keys=_STAGED.keys[::-1]),
        replace(_STAGED, deployment="elsewhere"),
    ],
    ids=["disabled", "promoted", "added", "epoch", "order", "deployment"],
)
def test_edit_without_the_id_key_is_refused(edited):
    signed, _, tag = pack(_STAGED).rpartition(":")
    assert unpack(f"{signed}:{tag}") == _STAGED
    with pytest.raises(KeyringError, match="tag does not verify"):
        unpack(f"{pack(edited).rpartition(':')[0]}:{tag}")


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
