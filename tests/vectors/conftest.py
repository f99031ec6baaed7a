"""Give each test that asks for `accept_<family>` or `reject_<family>` every committed vector of it in turn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamella.scope import Address, AssetScope, TaskScope, XComScope

_HERE = Path(__file__).parent


def _load(kind, family):
    paths = sorted((_HERE / family / kind).glob("*.json"))
    if not paths:
        raise ValueError(f"no vectors in {family}/{kind}")
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def pytest_generate_tests(metafunc):
    for name in metafunc.fixturenames:
        kind, _, family = name.partition("_")
        if kind in {"accept", "reject"} and family:
            vectors = _load(kind, family)
            metafunc.parametrize(name, vectors.values(), ids=vectors.keys())


@pytest.fixture(scope="session")
def load():
    """Give what loads the vectors of a kind and family, by name."""
    return _load


@pytest.fixture(scope="session")
def reasons():
    """Give the reasons for which the vectors of a family are refused."""
    return lambda family: {vector["reason"] for vector in _load("reject", family).values()}


@pytest.fixture(scope="session")
def untold():
    """Give the bytes of a list of runs."""
    return lambda runs: b"".join(bytes.fromhex(text) * count for text, count in runs)


@pytest.fixture(scope="session")
def to_address():
    """Give the address that a vector tells."""

    def to_address(told):
        fields = dict(told["fields"])
        fields.update({name: int(fields[name]) for name in fields.keys() & {"asset_id", "region_index"}})
        if told["kind"] == "asset":
            return Address(AssetScope(**fields), told["key"])
        scope = {"task": TaskScope, "xcom": XComScope}[told["kind"]]
        return Address(scope(**fields, map_index=told["map_index"]), told["key"])

    return to_address
