"""Layered and wrapped state backends keep the contract of state backends, and so do plain ones."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import pytest

from lamella.errors import StoreError
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.state import LayeredStateBackend, open_state_stack, wrap
from lamella.testing import StateBackendContract
from lamella.testing.plain_state_backends import FileStateBackend, MemoryStateBackend, StubStateBackend

_LAYERS = "zstd | padme | cobblestone256"


class _ConfiguredContract(StateBackendContract):
    """A backend that opens its stack from a chain that ends in a URL."""

    url: ClassVar[str]
    layers: ClassVar[str] = f"{_LAYERS} | chunk(64KiB)"

    @pytest.fixture
    def chain(self, tmp_path):
        return f'{self.layers} | "{self.url.format(tmp_path)}"'

    @pytest.fixture
    def reopen(self, chain, keyring_file):
        settings = {"keyring": f"file:{keyring_file}"}
        return lambda: LayeredStateBackend(partial(open_state_stack, chain, environ={}, settings=settings))

    @pytest.fixture
    def backend(self, reopen):
        backend = reopen()
        yield backend
        backend.stack.close()

    @pytest.fixture
    def source(self, chain, keyring_file):
        return (
            "from lamella.state import LayeredStateBackend, open_state_stack\n"
            f"stack = open_state_stack({chain!r}, environ={{}}, settings={{'keyring': {f'file:{keyring_file}'!r}}})\n"
            "backend = LayeredStateBackend(stack)\n"
        )


class TestOnMemory(_ConfiguredContract):
    url = "memory://"
    shared = False


class TestOnDirectory(_ConfiguredContract):
    url = "directory://{}/objects?fsync=off"


class TestOnSqlite(_ConfiguredContract):
    url = "sqlite:///{}/state.db?synchronous=off&busy_timeout_ms=60000"


class TestOnInline(_ConfiguredContract):
    url = "inline://"
    layers = _LAYERS
    in_ref = True
    keeps_text = False


class TestOnConfiguredBackend(_ConfiguredContract):
    url = "backend:lamella.testing.plain_state_backends.MemoryStateBackend"
    layers = _LAYERS
    shared = False


class _WrappedContract(StateBackendContract):
    """A backend around a plain one."""

    picklable = False
    plain: ClassVar[type]

    @pytest.fixture
    def arguments(self, tmp_path):
        return (str(tmp_path / "plain"),) if self.plain is FileStateBackend else ()

    @pytest.fixture
    def reopen(self, arguments, keyring_file):
        keyring = Keyring.open(FileKeyProvider(keyring_file))
        return lambda: wrap(self.plain(*arguments), _LAYERS, keyring)

    @pytest.fixture
    def backend(self, reopen):
        return reopen()

    @pytest.fixture
    def source(self, arguments, keyring_file):
        return (
            "from lamella.keys.keyring import Keyring\n"
            "from lamella.keys.providers import FileKeyProvider\n"
            "from lamella.state import wrap\n"
            f"from lamella.testing.plain_state_backends import {self.plain.__name__} as Plain\n"
            f"keyring = Keyring.open(FileKeyProvider({str(keyring_file)!r}))\n"
            f"backend = wrap(Plain(*{arguments!r}), {_LAYERS!r}, keyring)\n"
        )


class TestAroundMemory(_WrappedContract):
    plain = MemoryStateBackend
    shared = False


class TestAroundFiles(_WrappedContract):
    plain = FileStateBackend


class TestAroundStubs(_WrappedContract):
    plain = StubStateBackend
    shared = False
    keeps_text = False


class TestPlainMemory(StateBackendContract):
    shared = False

    @pytest.fixture
    def reopen(self):
        return MemoryStateBackend

    @pytest.fixture
    def backend(self, reopen):
        return reopen()

    @pytest.fixture
    def source(self):
        return "from lamella.testing.plain_state_backends import *; backend = MemoryStateBackend()"


class TestPlainFiles(StateBackendContract):
    @pytest.fixture
    def reopen(self, tmp_path):
        return partial(FileStateBackend, tmp_path)

    @pytest.fixture
    def backend(self, reopen):
        return reopen()

    @pytest.fixture
    def source(self, tmp_path):
        return f"from lamella.testing.plain_state_backends import *; backend = FileStateBackend({str(tmp_path)!r})"


def test_stub_behind_layers_is_named_when_it_is_called(keyring):
    backend = wrap(StubStateBackend(), _LAYERS, keyring)
    with pytest.raises(StoreError, match="NotImplementedError"):
        backend.get(StateBackendContract.task, "key")
