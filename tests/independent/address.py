"""Addresses, their ids and locators, from "Ids and locators"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from independent.notation import expand, mac, pack_record, require

if TYPE_CHECKING:
    from independent.keyring import Keyring

__all__ = ["Address", "Place", "check_address", "head_locator", "part_locator", "place_of"]

_TASK_FIELDS = re.compile(r"dag_id run_id task_id( region_id)?( region_index)?")
_ASSET_FIELDS = re.compile(r"name|uri|asset_id")
_RANGES = {"region_index": (-1, 2**31 - 1), "asset_id": (0, 2**63 - 1)}
_MAX_TEXT_CHARS = 4_096


@dataclass(frozen=True)
class Address:
    """A scope, which is kind, fields and map index, and a key."""

    kind: str
    fields: tuple[tuple[str, str], ...]
    map_index: int
    key: str


@dataclass(frozen=True)
class Place:
    """What a ref says of an address, and what its locators are made of."""

    kind: str
    scope_id: str
    map_index: int
    key_id: str


def _check_text(text: str, error: str) -> None:
    require(len(text) <= _MAX_TEXT_CHARS, error, "text")
    require(not re.search("[\ud800-\udfff]", text), error, "surrogate")


def _check_decimal(text: str, bounds: tuple[int, int], error: str) -> None:
    require(re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text), error, "decimal")
    require(bounds[0] <= int(text) <= bounds[1], error, "index")


def check_address(address: Address, error: str) -> None:
    """Refuse what cannot be an address."""
    require(address.kind in {"task", "xcom", "asset"}, error, "kind")
    asset = address.kind == "asset"
    grammar = _ASSET_FIELDS if asset else _TASK_FIELDS
    require(grammar.fullmatch(" ".join(name for name, _ in address.fields)), error, "fields")
    for name, value in address.fields:
        if name in _RANGES:
            _check_decimal(value, _RANGES[name], error)
        else:
            _check_text(value, error)
    require(address.map_index == -1 if asset else -1 <= address.map_index < 2**31, error, "map-index")
    _check_text(address.key, error)


def place_of(address: Address, keyring: Keyring) -> Place:
    """Compute the ids of an address."""
    key = expand(keyring.id_key.secret, "id/mac", 32)
    names = [text for field in address.fields for text in field]
    scope_id = mac(key, pack_record(["scope", keyring.deployment, address.kind, *names]))[:16].hex()
    key_id = mac(key, pack_record(["key", scope_id, address.map_index, address.key]))[:16].hex()
    return Place(address.kind, scope_id, address.map_index, key_id)


def head_locator(place: Place) -> str:
    """Say where the stored object of an address is."""
    return f"o1/{place.scope_id}/{place.map_index}/{place.key_id}"


def part_locator(place: Place, generation: bytes, number: int) -> str:
    """Say where a part of a split value is."""
    return f"p1/{place.scope_id}/{place.map_index}/{place.key_id}/{generation.hex()}/{number:08}"
