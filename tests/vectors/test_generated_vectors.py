"""The generator and the committed files."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent


def _files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}


def test_committed_vectors_are_what_the_generator_gives(tmp_path):
    subprocess.run([sys.executable, str(_HERE / "generate.py"), str(tmp_path)], check=True)
    generated, committed = _files(tmp_path), _files(_HERE)
    assert sorted(generated) == sorted(committed)
    assert [name for name in generated if generated[name] != committed[name]] == []


def test_generator_imports_nothing_of_lamella():
    modules = [path for path in _HERE.glob("*.py") if not path.name.startswith(("test_", "conftest"))]
    nodes = [node for path in modules for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    assert "cryptography" in {name.split(".")[0] for name in names}
    assert not [name for name in names if name.startswith("lamella")]
