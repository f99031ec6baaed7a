"""What many tests share: stacks by their order, Hypothesis profiles, and servers that speak the S3 protocol."""

from __future__ import annotations

import multiprocessing
import re
import subprocess
import sys
import sysconfig
import time
import urllib.request
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from lamella.errors import StackWarning
from lamella.keys import edit
from lamella.keys.document import pack
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.policy import Policy
from lamella.registry import installed_registry
from lamella.stack import Stack
from lamella_layers.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamella.protocols.layer import Layer
    from lamella.protocols.store import Store

pytest.register_assert_rewrite("lamella.testing")

# `--hypothesis-profile NAME` chooses another one; the tests multiply `max_examples` where one example costs little.
_UNHURRIED = {"deadline": None, "suppress_health_check": (HealthCheck.too_slow,)}
settings.register_profile("dev", max_examples=20, **_UNHURRIED)
settings.register_profile("ci", max_examples=100, database=None, print_blob=True, **_UNHURRIED)
settings.register_profile("thorough", max_examples=5000, **_UNHURRIED)
settings.load_profile("ci")

_ACCESS_KEY_ID = "lamella-tests"
_SECRET_ACCESS_KEY = "lamella-tests-secret"
_BUCKET = "bucket"
_START_SECONDS = 30


def _layers(order: str) -> list[Layer]:
    """Make the layers of an order like `zstd | chunk`; parts have 64 KiB, so that splitting costs tests little."""
    names = [name.strip() for name in order.split("|") if name.strip()]
    return [installed_registry().layer(name)(**({"part_bytes": 2**16} if name == "chunk" else {})) for name in names]


@pytest.fixture(scope="session")
def keyring():
    """Give the one keyring of most tests."""
    return Keyring.ephemeral("tests")


@pytest.fixture(scope="session")
def build(keyring):
    """Give what builds a stack from an order like `zstd | chunk`, in memory unless a store is given."""

    def build(order: str, store: Store | None = None, **parts: object) -> Stack:
        parts.setdefault("policy", Policy(allow_plaintext=True))
        parts.setdefault("keyring", keyring)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StackWarning)
            return Stack(_layers(order), store or MemoryStore(), **parts)

    return build


@pytest.fixture
def keyring_file(tmp_path):
    """Give the path of a keyring document that other processes open, too."""
    path = tmp_path / "lamella.keyring"
    FileKeyProvider(path).save(pack(edit.keygen("tests", created_at=1)), replace=False)
    return path


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[str]:
    """Run a server until the end; yield the URL that it announces."""
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while (announced := re.search(r"http://127\.0\.0\.1:[0-9]+", log.read_text())) is None:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text()}")
            time.sleep(0.05)
        yield announced[0]
    finally:
        server.kill()
        server.wait()


def _options(endpoint: str) -> dict[str, str]:
    return {
        "bucket": _BUCKET,
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_id": _ACCESS_KEY_ID,
        "secret_access_key": _SECRET_ACCESS_KEY,
    }


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """Give the arguments of an `S3ObjectStore` on rclone, which checks signatures and ignores conditions."""
    folder = tmp_path_factory.mktemp("rclone")
    (folder / "root" / _BUCKET).mkdir(parents=True)
    rclone = Path(sysconfig.get_path("scripts")) / "rclone"
    keys = f"{_ACCESS_KEY_ID},{_SECRET_ACCESS_KEY}"
    command = [str(rclone), "serve", "s3", "--config", "", "--addr", "127.0.0.1:0", "--auth-key", keys]
    with _running([*command, str(folder / "root")], folder / "log") as endpoint:
        yield _options(endpoint)


_MOTO = """
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app))
"""


@pytest.fixture(scope="session")
def conditional_s3_server(tmp_path_factory):
    """Give the arguments of an `S3ObjectStore` on moto, which honours conditions and checks no signatures.

    It checks a condition and writes in two steps, so it gets one thread: as many as a real server seems to have.
    """
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-c", _MOTO]
    with _running(command, log) as endpoint:
        request = urllib.request.Request(f"{endpoint}/{_BUCKET}", method="PUT")  # noqa: S310 - its own server
        urllib.request.urlopen(request).close()  # noqa: S310 - its own server
        yield _options(endpoint)


@contextmanager
def _forked(target, *args):
    child = multiprocessing.get_context("fork").Process(target=target, args=args)
    with warnings.catch_warnings():
        # From Python 3.12 on, a fork beside threads warns; those of other tests do not matter to the child.
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    try:
        yield child
    finally:
        child.kill()
        child.join()


@pytest.fixture
def forked():
    """Give a context in which a forked child calls a function; it is killed at the end."""
    return _forked
