"""Imports point one way, and importing the package costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC, LAYERS = ROOT / "src", ROOT / "layers"

# A module imports from its own level and from those below. The first name below `lamella` decides the level.
LEVELS = (
    {"armour", "errors", "scope", "limits", "lazy", "interruption"},
    {"protocols"},
    {"wire", "registry", "keys", "policy", "order"},
    {"flow"},
    {"combination", "stack"},
    {"chain", "settings", "build", "config_file", "doors", "config"},
    {"cli", "airflow", "state", "testing", "__init__", "__main__"},
)
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}
OPEN_TO_LAYERS = {"protocols", "limits", "errors", "keys"}
HEAVY = {
    "airflow",
    "asyncio",
    "boto3",
    "click",
    "concurrent.futures",
    "http.client",
    "lamella_layers",
    "logging",
    "multiprocessing",
    "obstore",
    "pydantic",
    "requests",
    "rich",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "zstandard",
}


def _modules(folder):
    return sorted(folder.rglob("*.py"))


def _imported(path):
    """Give every module that a file imports, those for type checkers included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _first_names(path):
    """Give the first names below `lamella` that a file imports."""
    return {name.split(".")[1] for name in _imported(path) if name.startswith("lamella.")} & LEVEL.keys()


def _own_name(path):
    return path.relative_to(SRC / "lamella").parts[0].removesuffix(".py")


def test_every_module_has_a_level():
    assert {_own_name(path) for path in _modules(SRC / "lamella")} <= LEVEL.keys()


@pytest.mark.parametrize("path", _modules(SRC / "lamella"), ids=lambda path: str(path.relative_to(SRC)))
def test_module_imports_from_its_own_level_and_below(path):
    own = _own_name(path)
    assert {name for name in _first_names(path) if LEVEL[name] > LEVEL[own]} == set()


def test_no_two_parts_of_the_engine_import_each_other():
    parts = {}
    for path in _modules(SRC / "lamella"):
        parts.setdefault(_own_name(path), set()).update(_first_names(path) - {_own_name(path)})
    while free := {name for name, needs in parts.items() if not needs & parts.keys()}:
        parts = {name: needs for name, needs in parts.items() if name not in free}
    assert parts == {}


@pytest.mark.parametrize("path", _modules(SRC / "lamella"), ids=lambda path: str(path.relative_to(SRC)))
def test_engine_imports_no_layer(path):
    assert not [name for name in _imported(path) if name.split(".")[0] == "lamella_layers"]


@pytest.mark.parametrize("path", _modules(LAYERS), ids=lambda path: str(path.relative_to(LAYERS)))
def test_layer_imports_of_the_engine_what_any_plugin_may(path):
    assert _first_names(path) <= OPEN_TO_LAYERS


@pytest.mark.parametrize("path", _modules(SRC) + _modules(LAYERS), ids=lambda path: path.stem)
def test_nothing_imports_what_makes_stored_bytes_executable(path):
    assert not {"pickle", "marshal", "shelve", "dill", "runpy"} & {name.split(".")[0] for name in _imported(path)}


def test_importing_the_package_loads_nothing_heavy():
    script = f"import sys, lamella; print(*sorted(set(sys.modules) & set({sorted(HEAVY)})))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_the_package_has_at_most_20_public_names_and_has_them_all():
    import lamella  # noqa: PLC0415 - its names are what is tested

    assert len(lamella.__all__) <= 20
    assert sorted(lamella.__all__) == list(lamella.__all__)
    assert all(hasattr(lamella, name) for name in lamella.__all__)
