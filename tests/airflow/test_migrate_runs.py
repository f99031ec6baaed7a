"""Real runs of DAGs across a change of the worker's backend: around the earlier one, beside it, after a migration."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from airflow_harness.earlier import EARLIER
from airflow_harness.home import BACKEND

CANARY = "CANARY-of-a-whole-deployment"
FOLDER = Path(__file__).parent / "earlier_dags"
TOMORROW = f"{dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=1):%Y-%m-%d}"
FALLBACK = {"AIRFLOW__LAMELLA__FALLBACK_BACKEND": EARLIER, "AIRFLOW__LAMELLA__MIGRATE_UNTIL": TOMORROW}
TODAY = {"AIRFLOW__WORKERS__STATE_STORE_BACKEND": BACKEND}
MIGRATE = ["lamella", "airflow", "migrate", "--apply", "--json"]


@pytest.fixture(params=[{}, {"threshold": "100", "compression": "gzip"}], ids=["plain", "threshold and gzip"])
def before(make_home, request):
    """Give a home whose workers have the earlier backend."""
    home = make_home({"workers.state_store_backend": EARLIER})
    options = {"path": f"file://{home.folder}/earlier", **request.param}
    return home.but(
        {f"common.io.state_store_objectstorage_{name}": text for name, text in options.items()}, CANARY=CANARY
    )


def _changing(home, environ, *, without=(), commands=()):
    return home.but(BETWEEN=json.dumps({"environ": environ, "without": without, "commands": commands}))


def _earlier(home):
    return [path for path in (home.folder / "earlier").rglob("*") if path.is_file()]


def _values(home):
    """Give the rows' texts."""
    return json.dumps([row["value"] for row in (*home.task_rows(), *home.asset_rows())])


@pytest.mark.parametrize("before", [{"threshold": "100", "compression": "gzip"}], indirect=True)
def test_next_try_and_next_run_read_what_the_earlier_backend_wrote(before):
    outcome = _changing(before, {**TODAY, **FALLBACK}).run(FOLDER, "kept_before", "kept_after")
    assert outcome.states == {"kept_before": "success", "kept_after": "success"}, outcome.log
    records = [line for line in outcome.log.splitlines() if "fallback" in line]
    assert len(records) >= 12
    assert CANARY not in "".join(records)


def test_next_try_and_next_run_read_what_was_migrated_and_need_no_earlier_backend(before):
    with_fallback = [["env", *(f"{name}={value}" for name, value in FALLBACK.items()), *MIGRATE]]
    gone = [["mv", str(before.folder / "earlier"), str(before.folder / "away")]]
    outcome = _changing(before, TODAY, commands=[*with_fallback, *gone]).run(FOLDER, "kept_before", "kept_after")
    assert outcome.states == {"kept_before": "success", "kept_after": "success"}, outcome.log
    assert '"moved": 14' in outcome.log
    assert '"refused": 0, "missing": 0, "failed": 0' in outcome.log
    assert CANARY not in _values(before)
    assert all(CANARY.encode() not in path.read_bytes() for path in before.objects())


def test_layers_around_the_earlier_backend_leave_nothing_plain(make_home):
    home = make_home({"lamella.chain": None, "lamella.store": f"backend:{EARLIER}"})
    path = {"common.io.state_store_objectstorage_path": f"file://{home.folder}/earlier"}
    wrapped = _changing(home.but(path, CANARY=CANARY), {})
    outcome = wrapped.run(FOLDER, "kept_before", "kept_after")
    assert outcome.states == {"kept_before": "success", "kept_after": "success"}, outcome.log
    kept = _earlier(home)
    assert len(kept) == 10  # Of two assets and two mapped tasks; the last task deletes its own.
    assert all(CANARY.encode() not in path.read_bytes() for path in kept)
    assert CANARY not in _values(home)
