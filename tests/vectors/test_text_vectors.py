"""Refs, manifests and locators: the committed vectors against the code."""

from __future__ import annotations

import pytest

from lamella.errors import (
    AddressError,
    KeyVersionNotFoundError,
    MalformedRefError,
    ManifestRefusedError,
    RefTagError,
    UnsupportedRefVersionError,
)
from lamella.keys.document import unpack
from lamella.keys.keyring import Keyring
from lamella.limits import DEFAULT_LIMITS
from lamella.protocols.layer import Entry
from lamella.wire.locator import Place, key_place, scope_id
from lamella.wire.manifest import format_manifest, parse_manifest
from lamella.wire.ref import Ref, format_ref, parse_ref

_REF_ERRORS = {
    "prefix": MalformedRefError,
    "length": MalformedRefError,
    "version": UnsupportedRefVersionError,
    "spelling": MalformedRefError,
    "key": KeyVersionNotFoundError,
    "tag": RefTagError,
    "fields": MalformedRefError,
    "manifest": ManifestRefusedError,
    "body": MalformedRefError,
}
_MANIFEST_REASONS = {"grammar", "length", "params", "version"}
_LOCATOR_ERRORS = {"identity": ValueError, "index": AddressError, "surrogate": AddressError, "text": AddressError}


def test_accepted_ref_says_what_the_vector_says_and_has_one_spelling(accept_ref):
    keyring = Keyring(unpack(accept_ref["keyring"]))
    ref = parse_ref(accept_ref["ref"], DEFAULT_LIMITS, keyring.mac_ref)
    told = [accept_ref[name] for name in ("kind", "scope_id", "map_index", "key_id")]
    body = accept_ref["body"] and bytes.fromhex(accept_ref["body"])
    assert ref == Ref(accept_ref["alias"], accept_ref["manifest"], Place(*told), body)
    assert format_ref(ref, bytes.fromhex(accept_ref["ref_key_id"]), keyring.mac_ref) == accept_ref["ref"]


def test_rejected_ref_is_refused_for_the_reason_given(reject_ref):
    keyring = Keyring(unpack(reject_ref["keyring"]))
    with pytest.raises(_REF_ERRORS[reject_ref["reason"]]) as caught:
        parse_ref(reject_ref["ref"], DEFAULT_LIMITS, keyring.mac_ref)
    assert caught.type is _REF_ERRORS[reject_ref["reason"]]


def test_accepted_manifest_has_the_entries_of_the_vector_and_one_spelling(accept_manifest):
    entries = tuple(
        Entry(name, version, tuple(map(tuple, params))) for name, version, params in accept_manifest["entries"]
    )
    assert parse_manifest(accept_manifest["text"]) == entries
    assert format_manifest(entries) == accept_manifest["text"]


def test_rejected_manifest_is_refused(reject_manifest):
    with pytest.raises(ManifestRefusedError):
        parse_manifest(reject_manifest["text"])


def test_locators_are_those_of_the_vector(accept_locator, to_address):
    keyring, address = Keyring(unpack(accept_locator["keyring"])), to_address(accept_locator["address"])
    place = key_place(keyring.mac_id, scope_id(keyring.mac_id, keyring.deployment, address.scope), address)
    assert (place.scope_id, place.key_id) == (accept_locator["scope_id"], accept_locator["key_id"])
    assert place.head == accept_locator["head"]
    assert place.part(bytes.fromhex(accept_locator["generation"]), accept_locator["number"]) == accept_locator["part"]


def test_what_cannot_be_an_address_is_refused(reject_locator, to_address):
    with pytest.raises(_LOCATOR_ERRORS[reject_locator["reason"]]):
        to_address(reject_locator["address"])


def test_every_reason_has_a_vector(reasons):
    assert reasons("ref") == _REF_ERRORS.keys()
    assert reasons("manifest") == _MANIFEST_REASONS
    assert reasons("locator") == _LOCATOR_ERRORS.keys()
