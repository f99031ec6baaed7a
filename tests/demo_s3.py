"""Run the demo on a server that speaks the S3 protocol, started for it on this host: `python tests/demo_s3.py`."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

__all__ = ["main"]

_LAMELLA = [sys.executable, "-c", "from lamella.cli.main import main; main()"]


def main() -> int:
    """Start the server of the tests, and hand the arguments on to the demo."""
    serve = contextmanager(runpy.run_path(str(Path(__file__).with_name("conftest.py")))["s3_server"].__wrapped__)
    with tempfile.TemporaryDirectory(prefix="lamella-s3-") as folder:
        folders = SimpleNamespace(mktemp=lambda name: _made(Path(folder) / name))
        with serve(folders) as options:
            query = urlencode({"endpoint": options["endpoint"], "region": options["region"], "allow_http": "true"})
            # Credentials go by the environment, which other users of the host cannot list.
            credentials = {
                "AWS_ACCESS_KEY_ID": options["access_key_id"],
                "AWS_SECRET_ACCESS_KEY": options["secret_access_key"],
            }
            command = [*_LAMELLA, "demo", "--store", f"s3://{options['bucket']}?{query}", *sys.argv[1:]]
            return subprocess.run(command, env={**os.environ, **credentials}, check=False).returncode


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
