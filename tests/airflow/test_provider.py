"""What Airflow sees of the provider before anything of it is used."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

WITHOUT_AIRFLOW = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == "airflow" or name.startswith("airflow."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
try:
    import lamella.airflow
except ImportError as error:
    print(error)
import lamella.state
"""


@pytest.fixture(scope="module")
def shared_home(make_home):
    return make_home()


@pytest.fixture(scope="module")
def told(shared_home):
    """Ask Airflow's own registry of providers, whose validator is strict about what it is given."""
    code = """
import json
from airflow.providers_manager import ProvidersManager
known = ProvidersManager()
info = known.providers["lamella"]
known._provider_schema_validator.validate(info.data)
print("TOLD" + json.dumps({"version": info.version, "data": info.data}))
"""
    printed = shared_home.python(code).stdout
    return json.loads(printed.rpartition("TOLD")[2])


def test_airflow_knows_the_provider_by_its_version(told):
    assert told["version"] == version("lamella")
    assert told["data"]["package-name"] == "lamella"


def test_every_option_says_all_that_airflow_shows(told):
    options = told["data"]["config"]["lamella"]["options"]
    assert {"chain", "keyring", "missing_object", "fallback_backend", "migrate_until"} <= options.keys()
    for option in options.values():
        assert option["description"]
        assert option["version_added"] == "0.1.0"
        assert option["type"] in {"string", "boolean", "integer"}
        assert option["example"]
        assert isinstance(option["default"], str)


def test_airflow_lists_the_options_with_their_values(shared_home, told):
    listed = shared_home.command("airflow", "config", "list", "--section", "lamella", "--show-values").stdout
    assert all(name in listed for name in told["data"]["config"]["lamella"]["options"])
    assert f"directory://{shared_home.folder}/objects" in listed
    assert "missing_object = raise" in listed


def test_options_that_may_hold_a_credential_are_not_shown(shared_home, told):
    options = told["data"]["config"]["lamella"]["options"]
    assert {name for name, option in options.items() if option["sensitive"]} == {"chain", "store", "fallback_base"}
    listed = shared_home.command(
        "airflow", "config", "list", "--section", "lamella", "--show-values", "--hide-sensitive"
    ).stdout
    assert str(shared_home.folder / "objects") not in listed
    assert str(shared_home.folder / "lamella.keyring") in listed


def test_airflow_lists_the_provider(shared_home):
    assert '"package_name": "lamella"' in shared_home.command("airflow", "providers", "list", "-o", "json").stdout


def test_without_airflow_the_package_says_what_it_needs():
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_AIRFLOW], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "needs Apache Airflow 3.3 or later" in run.stdout
    assert "lamella[airflow]" in run.stdout
