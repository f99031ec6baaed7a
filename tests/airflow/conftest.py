"""Homes for tests that run Airflow, in an environment that has it (`make test-airflow`).

Fixtures:
    make_home (session): `make_home({"section.name": "value", ...})` gives an `AirflowHome`: an AIRFLOW_HOME of its own
        with a migrated SQLite database (migrated once a session and copied), a keyring, and settings for
        `LamellaStateBackend` over a directory store in the home; the given settings come on top, None leaves one out.
    home (function): `make_home()` for one test. For a run that several tests look at, make a module-scoped fixture
        of `make_home`, so that its DAGs run once.
    slow_store (function): `slow_store.run(coroutine)` runs on an event loop with a directory store that waits for the
        loop in every call (airflow_harness/slow_store.py).
    new_keyring (session): `new_keyring(path)` writes another keyring there.
    dags, examples (session): the folders tests/airflow/dags and docs/examples.

An `AirflowHome` (airflow_harness/home.py) has
    run(folder, *dag_ids) -> Outcome: runs DAGs in one subprocess. `outcome.states["dag"]`, `outcome["dag"].tasks` and
        `.tries` by (task id, map index), `outcome.log`. Starting costs about 7 s, each further DAG 0.2 to 3 s, so name
        several DAGs in one call.
    but({...settings}, VARIABLE="...") -> the same home as seen with other settings or environment variables.
    task_rows(), asset_rows(): the state rows of the metadata database. objects(): the files of the directory store.
    read("task" or "asset", rows): what the refs of such rows stand for, or the name of the error.
    stored_bytes(): the whole database and all objects, to be searched for what must not be in them.
    task_logs(dag_id): the logs of tasks that ran on an installation.
    command("airflow", ...), python(code): anything else that shall run in the home; `check=False` lets it fail.
    folder, database, variables.

`airflow_harness.installation.running(home, *folders)` starts a whole installation; tests that use it are marked `full`.
Where Airflow is not installed, nothing here is collected.
"""

from __future__ import annotations

import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from airflow_harness.home import COMMAND_SECONDS, DAGS, EXAMPLES, AirflowHome
from airflow_harness.slow_store import SlowStore

# The folder has the name of the package, so what is installed is asked, and not what can be imported.
if not any(distributions(name="apache-airflow-core")):
    collect_ignore_glob = ["*"]


def pytest_collection_modifyitems(config, items):
    """Give a test the time of its commands, so that one which hangs ends first and shows what it printed.

    A time on the command line stands.
    """
    for item in [] if config.getoption("timeout") else items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(2 * COMMAND_SECONDS))


@pytest.fixture(scope="session")
def dags():
    """Give the folder of the tests' own DAGs."""
    return DAGS


@pytest.fixture(scope="session")
def examples():
    """Give the folder of the example DAGs."""
    return EXAMPLES


@pytest.fixture(scope="session")
def new_keyring(tmp_path_factory):
    """Give what makes a keyring at a path."""
    folder = tmp_path_factory.mktemp("keygen")

    def new_keyring(path):
        home = AirflowHome(folder=folder)
        home.command("lamella", "keygen", "--deployment", "airflow-tests", "--keyring", f"file:{path}")
        return path

    return new_keyring


@pytest.fixture(scope="session")
def _seed(tmp_path_factory, new_keyring):
    """Give a home whose database is migrated."""
    folder = tmp_path_factory.mktemp("airflow-seed")
    AirflowHome(folder=folder).command("airflow", "db", "migrate")
    new_keyring(folder / "lamella.keyring")
    return folder


@pytest.fixture(scope="session")
def make_home(tmp_path_factory, _seed):
    """Give what makes an `AirflowHome` with further settings."""

    def make_home(settings=None):
        return AirflowHome.make(tmp_path_factory.mktemp("airflow"), _seed, settings or {})

    return make_home


@pytest.fixture
def home(make_home):
    """Give an `AirflowHome` of one test."""
    return make_home()


@pytest.fixture
def slow_store(monkeypatch):
    """Give directory stores that wait for the event loop."""
    return SlowStore(monkeypatch)
