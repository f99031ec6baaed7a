"""Servers that speak the S3 protocol, on this host, for as long as one test process runs."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.register_assert_rewrite("lamella.testing")

_ACCESS_KEY_ID = "lamella-tests"
_SECRET_ACCESS_KEY = "lamella-tests-secret"
_BUCKET = "bucket"
_START_SECONDS = 30


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


@pytest.fixture(scope="session")
def conditional_s3_server(tmp_path_factory):
    """Give the arguments of an `S3ObjectStore` on moto, which honours conditions and checks no signatures."""
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with _running(command, log) as endpoint:
        request = urllib.request.Request(f"{endpoint}/{_BUCKET}", method="PUT")  # noqa: S310 - its own server
        urllib.request.urlopen(request).close()  # noqa: S310 - its own server
        yield _options(endpoint)
