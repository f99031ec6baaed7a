from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lamella import chain
from lamella.config import build_stack, load_config
from lamella.doors import SETTINGS
from lamella.keys.keyring import Keyring

_PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
_TABLE_ROW = re.compile(r"^\| `([a-z_.]+)` \| [^|]+ \| (?:`([^`]+)`|[^|]+) \|", re.MULTILINE)


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", _blocks("toml"), ids=lambda text: text.splitlines()[0])
def test_file_of_the_page_builds_its_stack(text, tmp_path):
    path = tmp_path / "lamella.toml"
    path.write_text(text)
    build_stack(load_config(path=path, environ={}), keyring=Keyring.ephemeral())


def test_environment_of_the_page_builds_its_stack(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [shlex.split(line) for line in _blocks("sh")[-1].splitlines()]
    environ = dict(word[1].split("=", 1) for word in words)
    config = load_config(environ=environ)
    assert {origin.removeprefix("environment ") for origin in config.origins.values()} == {*environ, "default"}
    build_stack(config, keyring=Keyring.ephemeral())


def test_page_lists_every_setting_and_no_other():
    assert {name for name, _ in _TABLE_ROW.findall(_PAGE) if name in SETTINGS or "." in name} == set(SETTINGS)


def test_defaults_of_the_page_are_the_defaults():
    written = {
        name: text for name, text in _TABLE_ROW.findall(_PAGE) if name.startswith(("policy.", "limits.")) and text
    }
    assert written.pop("policy.accept") == "[]"
    defaults = load_config("memory://", environ={})
    assert {name: SETTINGS[name](name, text) for name, text in written.items()} == {
        name: defaults.shown[name] for name in SETTINGS if name in written
    }
    assert len(written) == sum(name.startswith(("policy.", "limits.")) for name in SETTINGS) - 1


def test_grammar_of_the_page_is_that_of_the_code():
    grammar = chain.__doc__.split("```")[1]
    assert f"```{grammar}```" in _PAGE
