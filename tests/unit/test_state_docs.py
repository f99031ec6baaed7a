"""The page on state backends says what runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamella.state import configured_state_backend, open_state_stack
from lamella.state.loading import _CONFIGURED

_PAGE = (Path(__file__).parents[2] / "docs" / "state.md").read_text()
_SOURCES = Path(__file__).parents[2] / "src" / "lamella" / "state"


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _own_process(monkeypatch, tmp_path, keyring_file):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAMELLA__KEYRING", f"file:{keyring_file}")
    monkeypatch.syspath_prepend(tmp_path)
    _CONFIGURED.clear()
    yield
    _CONFIGURED.clear()


def test_file_and_lines_that_turn_it_on_keep_a_value(tmp_path):
    (tmp_path / "lamella.toml").write_text(_blocks("toml")[0])
    exec(_blocks("python")[0], {})  # noqa: S102 - the page's own lines
    assert (tmp_path / "objects.db").exists()
    assert b"lamella:1:" in (tmp_path / "state.db").read_bytes()
    configured_state_backend().stack.close()


def test_chain_that_wraps_a_backend_is_built(tmp_path):
    (tmp_path / "my_package.py").write_text(
        "from lamella.testing.plain_state_backends import MemoryStateBackend as MyStateBackend\n"
    )
    (tmp_path / "lamella.toml").write_text(_blocks("toml")[1])
    assert type(open_state_stack().engine.store.inner).__name__ == "MemoryStateBackend"


@pytest.mark.parametrize("path", sorted(_SOURCES.glob("*.py")), ids=lambda path: path.stem)
def test_headings_that_the_modules_cite_are_there(path):
    cited = re.findall(r'Source: docs/state\.md, "(.*)"', path.read_text())
    headings = re.findall(r"^#+ (.*)$", _PAGE, re.MULTILINE)
    assert set(cited) <= set(headings)
