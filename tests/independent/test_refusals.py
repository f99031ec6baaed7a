"""The independent reader refuses every vector that the format refuses, with the error and for the reason given."""

from __future__ import annotations

import pytest

from independent.address import check_address
from independent.keyring import parse_keyring
from independent.layers import check_part_bytes, check_suite, decode_padme, decode_zstd, open_cobblestone256
from independent.manifest import admit, parse_manifest
from independent.notation import RefusedError
from independent.ref import parse_ref
from independent.stored import unpack_address, unpack_envelope, unpack_head, unpack_payload
from independent.vector_files import families, join_runs, load, paths, read_object, to_address

__all__ = []


def _read_sealed(vector):
    check_suite(vector["suite"], vector["mode"], vector["flags"])
    open_cobblestone256(*(bytes.fromhex(vector[name]) for name in ("value_key", "binding", "sealed")))


def _read_chunk(vector):
    if "entry" in vector:
        admit(vector["entry"], 0)
    else:
        check_part_bytes(vector["part_bytes"])


_READERS = {
    "keyring": lambda vector: parse_keyring(vector["document"]),
    "ref": lambda vector: parse_ref(vector["ref"], parse_keyring(vector["keyring"])),
    "manifest": lambda vector: parse_manifest(vector["text"]),
    "envelope": lambda vector: unpack_envelope(bytes.fromhex(vector["object"])),
    "head": lambda vector: unpack_head(bytes.fromhex(vector["record"])),
    "lead": lambda vector: unpack_address(unpack_payload(bytes.fromhex(vector["payload"])).record),
    "locator": lambda vector: check_address(to_address(vector["address"]), "AddressError"),
    "zstd": lambda vector: decode_zstd(join_runs(vector["encoded"])),
    "padme": lambda vector: decode_padme(join_runs(vector["encoded"])),
    "cobblestone256": _read_sealed,
    "chunk": _read_chunk,
    "object": read_object,
}

# The error of each family, where the reason does not name another one.
_ERRORS = {"keyring": "KeyringError", "manifest": "ManifestRefusedError", "locator": "AddressError"}
_ERRORS_BY_REASON = {
    ("ref", "prefix"): "MalformedRefError",
    ("ref", "length"): "MalformedRefError",
    ("ref", "version"): "UnsupportedRefVersionError",
    ("ref", "spelling"): "MalformedRefError",
    ("ref", "key"): "KeyVersionNotFoundError",
    ("ref", "tag"): "RefTagError",
    ("ref", "fields"): "MalformedRefError",
    ("ref", "manifest"): "ManifestRefusedError",
    ("ref", "body"): "MalformedRefError",
    ("head", "limit"): "LimitExceededError",
    ("zstd", "ratio"): "LimitExceededError",
    ("chunk", "entry"): "ManifestRefusedError",
    ("object", "mismatch"): "RefMismatchError",
    ("object", "layers"): "ManifestRefusedError",
    ("object", "policy"): "ManifestRefusedError",
    ("object", "store"): "ManifestRefusedError",
    ("object", "missing"): "ObjectNotFoundError",
    ("object", "floor"): "ManifestRefusedError",
    ("object", "key"): "KeyVersionNotFoundError",
}

# The checks that may find a reason, where they have not its name: a reason of these says what was done to the bytes.
_CHECKS = {
    ("lead", "fields"): {"fields", "decimal"},
    ("locator", "identity"): {"fields"},
    ("locator", "index"): {"index", "map-index"},
    ("cobblestone256", "cut"): {"cut", "tag"},
    ("cobblestone256", "extended"): {"tag"},
    ("cobblestone256", "order"): {"tag"},
    ("cobblestone256", "key"): {"commitment"},
    ("cobblestone256", "binding"): {"commitment"},
    ("chunk", "entry"): {"layers"},
    ("object", "address"): {"address", "record", "map-index"},
    ("object", "cut"): {"cut", "tag", "size"},
    ("object", "extended"): {"tag", "size"},
    ("object", "envelope"): {"cut", "magic", "version"},
    ("object", "facts"): {"facts", "suite", "mode", "flags", "commitment"},
    ("object", "generation"): {"missing-part", "commitment"},
    ("object", "lead"): {"cut", "codec"},
    ("object", "moved"): {"commitment"},
    ("object", "parts"): {"missing-part", "commitment", "tag", "size"},
    ("object", "tag"): {"commitment", "tag"},
    ("object", "wrapped-key"): {"wrapped-key", "commitment"},
}


def test_every_family_that_is_parsed_has_vectors_that_are_refused():
    assert families("reject") == set(_READERS)


@pytest.mark.parametrize("path", paths("reject"))
def test_rejected_vector_is_refused_with_its_error_and_for_its_reason(path):
    family, vector = load(path)
    reason = vector["reason"]
    with pytest.raises(RefusedError) as refused:
        _READERS[family](vector)
    default = _ERRORS.get(family, "IntegrityError")
    assert refused.value.error == _ERRORS_BY_REASON.get((family, reason), default)
    assert refused.value.reason in _CHECKS.get((family, reason), {reason})
