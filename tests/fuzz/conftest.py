"""Give each test that asks for it every fuzz target in turn."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

_FUZZ = Path(__file__).parents[2] / "fuzz"


def pytest_generate_tests(metafunc):
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", sorted(path.stem.removeprefix("fuzz_") for path in _FUZZ.glob("fuzz_*.py")))


@pytest.fixture(scope="session")
def fuzz():
    """Give the folder of the targets."""
    return _FUZZ


@pytest.fixture
def load(monkeypatch, fuzz):
    """Give what imports a module of the targets, as they import each other."""
    monkeypatch.syspath_prepend(str(fuzz))
    return importlib.import_module
