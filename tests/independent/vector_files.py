"""The test vectors as files, and their fields as what the reader takes."""

from __future__ import annotations

import json
from pathlib import Path

from independent.address import Address
from independent.reader import read_by_ref
from independent.stored import Fact

__all__ = ["families", "join_runs", "load", "paths", "read_object", "to_address", "to_fact", "to_stores"]

_VECTORS = Path(__file__).parents[1] / "vectors"


def paths(kind):
    """Name the files in the folders `accept` or `reject`, relative to all vectors."""
    return [path.relative_to(_VECTORS).as_posix() for path in sorted(_VECTORS.glob(f"*/{kind}/*.json"))]


def families(kind):
    """Name the families that have a file in `accept` or `reject`."""
    return {path.split("/")[0] for path in paths(kind)}


def load(path):
    """Read the family and the fields of a vector."""
    return path.split("/")[0], json.loads((_VECTORS / path).read_text(encoding="utf-8"))


def join_runs(runs):
    """Join bytes that are a list of a hex string and its count."""
    return b"".join(bytes.fromhex(text) * count for text, count in runs)


def to_address(fields):
    """Read an address."""
    pairs = tuple((name, value) for name, value in fields["fields"])
    return Address(fields["kind"], pairs, fields["map_index"], fields["key"])


def to_fact(fields):
    """Read a fact block."""
    return Fact(**{name: bytes.fromhex(value) if isinstance(value, str) else value for name, value in fields.items()})


def to_stores(fields):
    """Read the stores of an object."""
    return {
        alias: objects if objects is None else {locator: bytes.fromhex(text) for locator, text in objects.items()}
        for alias, objects in fields.items()
    }


def read_object(vector):
    """Read the value of a vector of the family `object` by its ref."""
    expect = None if vector["expect"] is None else to_address(vector["expect"])
    return read_by_ref(vector["ref"], vector["keyring"], to_stores(vector["stores"]), vector["required"], expect)
