"""What the tests of the command line share."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest
from click.testing import CliRunner

from lamella.cli.main import lamella

_LAMELLA = Path(sysconfig.get_path("scripts")) / "lamella"


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """Work in a folder without a configuration, and without one in the environment."""
    for name in [name for name in os.environ if name.startswith("LAMELLA__")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(empty_folder):
    """Run a verb in this process; return what it printed, or the error that `fails` names."""
    assert empty_folder

    def run(*arguments, fails=None, given=None):
        result = CliRunner().invoke(lamella, [*map(str, arguments)], input=given, standalone_mode=False)
        if fails is None:
            if result.exception is not None:
                raise result.exception
            return result
        assert isinstance(result.exception, fails), result
        return str(result.exception)

    return run


@pytest.fixture
def configured(cli, empty_folder):
    """Give a folder with a keyring, and a configuration with a store of files."""
    cli("keygen", "--deployment", "prod")
    chain = "zstd | padme | cobblestone256 | chunk(64KiB) | directory://objects"
    (empty_folder / "lamella.toml").write_text(f'chain = "{chain}"\n')
    return empty_folder


@pytest.fixture
def objects(configured):
    """Give what lists the files of the objects in the store of `configured`."""
    folder = configured / "objects"
    return lambda: [path for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts]


@pytest.fixture
def shell(empty_folder):
    """Run the installed command in a process of its own."""

    def run(*arguments, environ=None):
        command = [_LAMELLA, *map(str, arguments)]
        return subprocess.run(
            command,
            env={**os.environ, **(environ or {})},
            cwd=empty_folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
