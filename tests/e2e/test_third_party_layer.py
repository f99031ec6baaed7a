"""The wheel and another distribution's layer, installed into a fresh environment as a user would."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "plugins" / "lamella-rot13"

SCRIPT = """
import sys
from lamella import Address, Keyring, LamellaError, Policy, Stack, TaskScope
from lamella.registry import installed_registry
from lamella_layers.store.directory import DirectoryStore

registry = installed_registry()
address = Address(TaskScope("dag", "run", "task"), "key")


def stack(*names, policy):
    return Stack([registry.layer(name)() for name in names], DirectoryStore(sys.argv[1]), keyring, policy=policy)


keyring = Keyring.ephemeral()
plain = stack("rot13", policy=Policy(allow_plaintext=True))
ref = plain.put(address, {"greeting": "hello"})
print(ref.split(":")[4], plain.get(ref))
body = b"".join(plain.engine.store.get(plain.engine.place(address).head)[1])
print(bytes((byte + 13) % 256 for byte in b"hello") in body, b"hello" in body)
try:
    stack("rot13", "cobblestone256", policy=Policy()).get(ref)
except LamellaError as refused:
    print(type(refused).__name__)
sealed = stack("rot13", "zstd", "padme", "cobblestone256", "chunk", policy=Policy(strict=True))
ref = sealed.put(address, "x" * 100_000)
print(ref.split(":")[4], sealed.get(ref) == "x" * 100_000)
"""


def _run(*command):
    run = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="session")
def fresh_python(tmp_path_factory):
    """Build the wheel once, whatever the number of test processes, and give the interpreter that has it."""
    shared = tmp_path_factory.getbasetemp()
    folder = (shared.parent if os.environ.get("PYTEST_XDIST_WORKER") else shared) / "third-party"
    python = folder / "venv" / "bin" / "python"
    with open(f"{folder}.lock", "w") as lock:  # noqa: PTH123 - a lock is held on an open file
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (python.parent / "lamella").exists():
            pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
            _run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder / "wheels", ROOT, PLUGIN)
            _run(sys.executable, "-m", "venv", folder / "venv")
            pip = (python, "-m", "pip", "--disable-pip-version-check")
            _run(*pip, "install", "--quiet", *sorted((folder / "wheels").glob("*.whl")))
    return python


def test_layer_of_another_distribution_is_found_used_and_trusted_no_further(fresh_python, tmp_path):
    said = _run(fresh_python, "-W", "error", "-c", SCRIPT, tmp_path / "store").splitlines()
    assert said == [
        "rot13.1 {'greeting': 'hello'}",
        "True False",
        "ManifestRefusedError",
        "rot13.1+zstd.1+padme.1+cobblestone256.1+chunk.1 True",
    ]


def test_wheel_holds_the_project_alone_and_runs_its_command(fresh_python):
    command = fresh_python.parent / "lamella"
    assert "Usage: lamella" in _run(command, "--help")
    said = _run(command, "demo", "--document-bytes", "20000", "--stream-bytes", "200000")
    held, _, count = said.splitlines()[-1].partition(" claims")[0].partition(" of ")
    assert held == count
    assert int(count) > 5
    installed = _run(fresh_python, "-m", "pip", "--disable-pip-version-check", "show", "--files", "lamella")
    files = [line.strip() for line in installed.partition("Files:")[2].splitlines() if line.strip()]
    folders = {name.split("/")[0] for name in files if not name.startswith("../")}
    assert {name.partition("-")[0] for name in folders} == {"lamella", "lamella_layers"}
    assert not [name for name in files if "test_" in name or name.endswith(".keyring")]
    assert "lamella/py.typed" in files
