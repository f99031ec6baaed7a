from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from lamella.errors import ConfigError
from lamella.state import LayeredStateBackend, TaskScope, configured_state_backend, open_state_stack
from lamella.state.loading import _CONFIGURED
from lamella.testing.plain_state_backends import MemoryStateBackend

_VARIABLE = "LAMELLA__WORKERS__STATE_BACKEND"
_MODULE = """
import signal, time
from lamella.testing.plain_state_backends import MemoryStateBackend, StubStateBackend

class Mine(MemoryStateBackend):
    pass

class Needy(MemoryStateBackend):
    def __init__(self, folder): ...

class Slow(MemoryStateBackend):
    def __init__(self):
        super().__init__()
        time.sleep(0.2)

class Locked(MemoryStateBackend):
    def __init__(self):
        raise PermissionError("s3cr3t")

class Interrupted(MemoryStateBackend):
    def __init__(self):
        signal.raise_signal(signal.SIGUSR1)

class Half:
    def get(self): ...
    def aget(self): ...

class NoHooks:
    get = set = delete = clear = aget = aset = adelete = aclear = print

function = print
"""


@pytest.fixture(autouse=True)
def _own_process(monkeypatch, tmp_path):
    """Work in an empty folder, as a process that has loaded nothing."""
    for name in [name for name in os.environ if name.startswith("LAMELLA__")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some_backends.py").write_text(_MODULE)
    (tmp_path / "broken_backends.py").write_text("this is no python")
    (tmp_path / "interrupted_backends.py").write_text("import signal\nsignal.raise_signal(signal.SIGUSR1)")
    (tmp_path / "raising_backends.py").write_text('raise RuntimeError("s3cr3t")')
    monkeypatch.syspath_prepend(tmp_path)
    _CONFIGURED.clear()
    yield
    _CONFIGURED.clear()
    sys.modules.pop("some_backends", None)


def test_without_the_setting_there_is_no_backend(monkeypatch):
    assert configured_state_backend() is None
    monkeypatch.setenv(_VARIABLE, "")
    _CONFIGURED.clear()
    assert configured_state_backend() is None


def test_backend_of_the_environment_is_loaded_once(monkeypatch):
    monkeypatch.setenv(_VARIABLE, "some_backends.Mine")
    backend = configured_state_backend()
    assert isinstance(backend, MemoryStateBackend)
    assert type(backend).__name__ == "Mine"
    assert configured_state_backend() is backend


def test_threads_that_ask_at_once_get_the_same_backend(monkeypatch):
    monkeypatch.setenv(_VARIABLE, "some_backends.Slow")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: configured_state_backend(), range(4)))
    assert len({id(each) for each in made}) == 1


def test_backend_of_the_file_is_loaded_without_a_chain(tmp_path):
    (tmp_path / "lamella.toml").write_text('[workers]\nstate_backend = "some_backends.Mine"\n')
    assert type(configured_state_backend()).__name__ == "Mine"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("Mine", "write package.module.Class"),
        ("absent_module.Mine", "absent_module"),
        ("some_backends.Absent", "Absent"),
        (".some_backends.Mine", "write package.module.Class"),
        ("some_backends.", "write package.module.Class"),
        ("broken_backends.Mine", "SyntaxError"),
        ("some_backends.function", "is no class"),
        ("some_backends.Needy", "cannot be made without arguments"),
        ("some_backends.Locked", "cannot be made: it raised PermissionError"),
        ("raising_backends.Mine", "cannot be loaded (RuntimeError)"),
        ("some_backends.Half", "is no state backend: it lacks set, delete, clear, aset, adelete, aclear"),
        ("some_backends.NoHooks", "it lacks serialize_task_state_to_ref"),
        ("some_backends.StubStateBackend", "has no serialize_task_state_to_ref"),
        ("builtins.dict", "is no state backend"),
    ],
)
def test_class_that_cannot_be_a_backend_is_an_error_that_names_setting_and_value(monkeypatch, path, message):
    monkeypatch.setenv(_VARIABLE, path)
    with pytest.raises(ConfigError) as caught:
        configured_state_backend()
    text = str(caught.value)
    assert text.startswith(f"workers.state_backend (environment {_VARIABLE}): {path!r}")
    assert message in text
    assert "s3cr3t" not in text


@pytest.mark.parametrize(
    ("path", "kind"), [("some_backends.Locked", PermissionError), ("raising_backends.Mine", RuntimeError)]
)
def test_what_a_class_raised_is_the_cause(monkeypatch, path, kind):
    monkeypatch.setenv(_VARIABLE, path)
    with pytest.raises(ConfigError) as caught:
        configured_state_backend()
    assert isinstance(caught.value.__cause__, kind)


class TooSlowError(ImportError):
    """What a host's time-out raises, of the least convenient kind."""


@pytest.mark.parametrize("path", ["some_backends.Interrupted", "interrupted_backends.Mine"])
def test_time_out_inside_a_load_is_the_host_s_own_error(monkeypatch, path):
    def handler(*_):
        raise TooSlowError

    before = signal.signal(signal.SIGUSR1, handler)
    monkeypatch.setenv(_VARIABLE, path)
    try:
        with pytest.raises(TooSlowError):
            configured_state_backend()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_failed_load_is_tried_again(monkeypatch):
    monkeypatch.setenv(_VARIABLE, "some_backends.Absent")
    with pytest.raises(ConfigError):
        configured_state_backend()
    monkeypatch.setenv(_VARIABLE, "some_backends.Mine")
    assert type(configured_state_backend()).__name__ == "Mine"


def test_layered_backend_opens_what_is_configured_at_its_first_use(monkeypatch, keyring_file):
    backend = LayeredStateBackend()
    with pytest.raises(ConfigError, match="no layers are configured"):
        backend.get(TaskScope("dag", "run", "task"), "key")
    monkeypatch.setenv("LAMELLA__CHAIN", "padme | cobblestone256 | memory://")
    monkeypatch.setenv("LAMELLA__KEYRING", f"file:{keyring_file}")
    assert repr(backend.stack) == "Stack(padme.1+cobblestone256.1 | memory)"


@pytest.mark.parametrize(
    "settings",
    [
        {"chain": "padme | cobblestone256 | backend:some_backends.Mine"},
        {"layers": ["padme", "cobblestone256"], "store": "backend:some_backends.Mine"},
        {
            "chain": "padme | cobblestone256 | plain",
            "stores": {"plain": {"url": "backend:some_backends.Mine"}},
        },
    ],
    ids=["chain", "store", "alias"],
)
def test_chain_may_end_in_a_backend(settings, keyring_file):
    stack = open_state_stack(environ={}, settings={**settings, "keyring": f"file:{keyring_file}"})
    assert type(stack.engine.store.inner).__name__ == "Mine"


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (
            "backend:some_backends.Absent",
            "store 'backend:some_backends.Absent': 'some_backends.Absent' cannot be loaded",
        ),
        ("backend:", "cannot be loaded"),
        ("backend:some_backends.Half", "is no state backend"),
        ("backend:some_backends.Mine?folder=x", "remove what follows"),
    ],
)
def test_store_that_is_no_backend_is_refused_when_the_stack_is_built(store, message, keyring_file):
    with pytest.raises(ConfigError) as caught:
        open_state_stack(f"cobblestone256 | {store}", environ={}, settings={"keyring": f"file:{keyring_file}"})
    assert message in str(caught.value)


def test_importing_state_loads_neither_a_loop_nor_a_database():
    script = "import sys, lamella.state; print(*sorted(set(sys.modules) & {'asyncio', 'sqlite3', 'click', 'pytest'}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
