"""One AIRFLOW_HOME of a test: its settings, its database, its objects, and the commands that run in it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_harness.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["BACKEND", "CHAIN", "COMMAND_SECONDS", "AirflowHome", "last_lines"]

BACKEND = "lamella.airflow.LamellaStateBackend"
CHAIN = "zstd | padme | cobblestone256 | chunk"
COMMAND_SECONDS = 600
"""How long a command may take; a hundred times what it takes on a machine that has no other work."""
_HERE = Path(__file__).parents[1]
DAGS = _HERE / "dags"
EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
_RUN = Path(__file__).with_name("run_dags.py")
_READ = Path(__file__).with_name("read_refs.py")
_SCRIPTS = Path(sysconfig.get_path("scripts"))
_LOCKED_SECONDS = 60
_LINES_SHOWN = 80

_TASK_ROWS = "SELECT * FROM task_state_store ORDER BY id"
_ASSET_ROWS = (
    "SELECT asset.name, asset.uri, key, value FROM asset_state_store JOIN asset ON asset.id = asset_id ORDER BY 1, 3"
)


def last_lines(log: str) -> str:
    """Give the end of a log, where the cause stands."""
    return "\n".join(log.splitlines()[-_LINES_SHOWN:])


@dataclass(frozen=True, kw_only=True)
class AirflowHome:
    """An AIRFLOW_HOME of its own.

    Attributes:
        folder: holds `airflow.db`, `lamella.keyring`, `objects/` and the logs.
        settings: Airflow's own and those of Lamella, by `section.name`; None stands for a setting that is not made.
        environ: further variables of every process that runs in the home.
    """

    folder: Path
    settings: Mapping[str, str | None] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, seed: Path, settings: Mapping[str, str | None]) -> AirflowHome:
        """Fill a folder with a copy of a migrated database and of a keyring, and with an empty airflow.cfg."""
        shutil.copy(seed / "airflow.db", folder)
        shutil.copy(seed / "lamella.keyring", folder)
        (folder / "airflow.cfg").touch()
        own = {
            "core.fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "workers.state_store_backend": BACKEND,
            "lamella.chain": f"{CHAIN} | directory://{folder}/objects?fsync=off",
            "lamella.keyring": f"file:{folder}/lamella.keyring",
        }
        return cls(folder=folder, settings={**own, **settings})

    def but(self, settings: Mapping[str, str | None] | None = None, **environ: str) -> AirflowHome:
        """Give the same home as processes with other settings or variables see it."""
        return replace(self, settings={**self.settings, **(settings or {})}, environ={**self.environ, **environ})

    @property
    def database(self) -> Path:
        """The metadata database."""
        return self.folder / "airflow.db"

    @property
    def variables(self) -> dict[str, str]:
        """All variables of a process in this home; no setting of the one who runs the tests is among them."""
        own = {
            "core.load_examples": "False",
            "core.plugins_folder": str(EXAMPLES / "plugins"),
            "database.sql_alchemy_conn": f"sqlite:///{self.database}?timeout={_LOCKED_SECONDS}",
            "logging.colored_console_log": "False",
            **self.settings,
        }
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LAMELLA", "_AIRFLOW"))
        }
        made = {
            "AIRFLOW__{}__{}".format(*key.upper().rsplit(".", 1)).replace(".", "_"): value
            for key, value in own.items()
            if value is not None
        }
        path = f"{_SCRIPTS}{os.pathsep}{inherited['PATH']}"
        places = {"AIRFLOW_HOME": str(self.folder), "PATH": path, "PYTHONPATH": str(_HERE)}
        return {**inherited, **made, **places, **self.environ}

    def command(self, *command: str | Path, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in this home, `airflow` and `lamella` among them.

        Raises:
            RuntimeError: It fails, unless `check` is false, or takes too long; with the end of what it printed.
        """
        try:
            run = subprocess.run(
                [str(part) for part in command],
                env=self.variables,
                cwd=self.folder,
                input=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            printed = last_lines((error.stdout or b"").decode(errors="replace"))
            raise RuntimeError(f"{command[0]} did not end within {error.timeout} s:\n{printed}") from error
        if check and run.returncode:
            raise RuntimeError(f"{command[0]} ended with {run.returncode}:\n{last_lines(run.stdout)}")
        return run

    def python(self, code: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Python code in an interpreter of its own in this home."""
        return self.command(sys.executable, "-c", code, check=check)

    def run(self, folder: Path, *dag_ids: str) -> Outcome:
        """Run DAGs of a folder one after the other in one process, without a scheduler; one may be named twice."""
        told = self.folder / "outcome.json"
        told.unlink(missing_ok=True)
        request = json.dumps({"dag_ids": dag_ids, "told": str(told)})
        log = self.but({"core.dags_folder": str(folder)}).command(sys.executable, _RUN, given=request).stdout
        return Outcome.read(json.loads(told.read_text()), log)

    def _select(self, query: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.database)) as database:
            database.row_factory = sqlite3.Row
            return [{**row, "value": json.loads(row["value"])} for row in database.execute(query)]

    def task_rows(self) -> list[dict[str, Any]]:
        """Give the rows of `task_state_store`: dag_id, run_id, task_id, map_index, key, and the parsed value.

        The column of the map index is `region_index` from Airflow 3.4 on.
        """
        rows = self._select(_TASK_ROWS)
        return [{"map_index": row.get("region_index"), **row} for row in rows]

    def asset_rows(self) -> list[dict[str, Any]]:
        """Give the rows of `asset_state_store`: name and uri of the asset, key, and the parsed value."""
        return self._select(_ASSET_ROWS)

    def read(self, kind: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Read the refs of rows of a kind in a process of its own.

        Returns:
            `{"value": ...}` or `{"error": "name of the class"}` for each row.
        """
        refs = [row["value"]["__airflow_state_ref__"] for row in rows]
        told = self.command(sys.executable, _READ, given=json.dumps({"kind": kind, "refs": refs})).stdout
        return list(json.loads(told.splitlines()[-1]))

    def objects(self) -> list[Path]:
        """Give every object that the directory store holds; its locks and temporary files are none."""
        return sorted(path for path in (self.folder / "objects").glob("[!.]*/**/*") if path.is_file())

    def task_logs(self, dag_id: str) -> str:
        """Give the logs of all tries of a DAG's tasks on an installation, one after the other."""
        paths = sorted((self.folder / "logs" / f"dag_id={dag_id}").rglob("*.log"))
        return "\n".join(path.read_text() for path in paths)

    def stored_bytes(self, *, apart_from: Iterable[str] = ()) -> bytes:
        """Give all that the metadata database and the store hold, rows of the given tables left out.

        The database is dumped as text, so that a value which spans pages is found; its file and journal come behind it.
        """
        with closing(sqlite3.connect(self.database)) as database:
            skipped = tuple(f'INSERT INTO "{table}"' for table in apart_from)
            dump = "\n".join(line for line in database.iterdump() if not line.startswith(skipped or "\0"))
        files = [] if skipped else sorted(self.folder.glob("airflow.db*"))
        return b"\n".join([dump.encode(), *(path.read_bytes() for path in [*files, *self.objects()])])
