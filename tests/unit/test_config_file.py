"""A configuration in the form of airflow.cfg says what one in TOML says."""

from __future__ import annotations

import errno
import os

import pytest

from lamella.config import build_stack, load_config
from lamella.errors import ConfigError
from lamella.state import configured_state_backend
from lamella.state.loading import _CONFIGURED
from lamella.testing.plain_state_backends import MemoryStateBackend

_CFG = """
[lamella]
chain = zstd | padme | cobblestone256 | chunk(1MiB) | main
keyring = file:team.keyring

[workers]
state_backend = lamella.testing.plain_state_backends.MemoryStateBackend

[policy]
strict = true

[limits]
max_value_bytes = 8MiB

[stores.main]
url = sqlite:///100%.db
synchronous = off
"""
_TOML = """
chain = "zstd | padme | cobblestone256 | chunk(1MiB) | main"
keyring = "file:team.keyring"
workers.state_backend = "lamella.testing.plain_state_backends.MemoryStateBackend"
policy.strict = true
limits.max_value_bytes = "8MiB"

[stores.main]
url = "sqlite:///100%.db"
synchronous = "off"
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path):
    return lambda text, name="lamella.cfg": (tmp_path / name).write_text(text)


def test_both_forms_say_the_same(write):
    write(_CFG)
    write(_TOML, "other.toml")
    assert load_config(environ={}).shown == load_config(path="other.toml", environ={}).shown
    assert load_config(environ={}).origins["policy.strict"] == "lamella.cfg"


@pytest.mark.parametrize(("name", "text"), [("lamella.cfg", _CFG), ("lamella.toml", _TOML)])
def test_byte_order_mark_of_an_editor_is_no_part_of_the_file(write, name, text):
    write(text.lstrip(), "plain." + name.partition(".")[2])
    write("\ufeff" + text.lstrip(), name)
    assert load_config(environ={}).shown == load_config(path="plain." + name.partition(".")[2], environ={}).shown


def test_state_backend_is_named_there(write):
    write(_CFG)
    _CONFIGURED.clear()
    try:
        assert isinstance(configured_state_backend(), MemoryStateBackend)
    finally:
        _CONFIGURED.clear()


def test_two_files_are_one_too_many(write):
    write(_CFG)
    write(_TOML, "lamella.toml")
    with pytest.raises(ConfigError, match=r"both lamella\.toml and lamella\.cfg"):
        load_config(environ={})
    assert load_config(path="lamella.cfg", environ={}).policy.strict
    assert load_config(environ={"LAMELLA__CONFIG": "lamella.cfg"}).policy.strict


@pytest.mark.parametrize("chain", [None, "cobblestone256 | memory://"])
def test_folder_that_nobody_may_look_into_is_refused_with_the_ways_out(monkeypatch, chain):
    def refuse(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refuse)
        with pytest.raises(ConfigError, match=r"lamella\.toml .*: Permission denied; start in"):
            load_config(chain, environ={})


def test_folder_that_is_gone_holds_no_file_and_no_relative_path_is_taken_from_it(tmp_path):
    tmp_path.rmdir()
    settings = {"stores.other.url": "directory:///var/lib/state", "keyring": "file:keyring"}
    for chain, message in {
        "cobblestone256 | sqlite:///a.db": r"stores\.main: cannot tell where",
        "cobblestone256 | directory://a": r"stores\.main: cannot tell where",
        "cobblestone256 | memory://": "cannot tell where the keyring is: No such file",
    }.items():
        with pytest.raises(ConfigError, match=message):
            build_stack(load_config(chain, environ={}, settings=settings))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chain = memory://SECRET", "is no .cfg file: MissingSectionHeaderError"),
        ("[lamella]\nSECRET", "is no .cfg file: ParsingError"),
        ("[lamella]\na = SECRET\na = 2", "is no .cfg file: DuplicateOptionError"),
        ("[workers]\nstate_bakend = SECRET", "did you mean 'workers.state_backend'"),
        ("[DEFAULT]\nchain = SECRET", "lamella.cfg: [DEFAULT] is what other sections begin with, and there are none"),
        ("[lamella]\nkeyring = SECRET\n[stores.old]", "stores.old (lamella.cfg): is empty; give the store a url"),
        ("[stores]\nmain = SECRET\n[stores.main]\nurl = memory://", "stands below a setting"),
    ],
)
def test_file_that_cannot_be_meant_is_named_without_its_values(write, text, message):
    write(text)
    with pytest.raises(ConfigError) as caught:
        load_config("memory://", environ={})
    assert message in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_file_of_other_bytes_is_named(tmp_path):
    (tmp_path / "lamella.cfg").write_bytes(b"[lamella]\nchain = \xff")
    with pytest.raises(ConfigError, match="UnicodeDecodeError"):
        load_config("memory://", environ={})
