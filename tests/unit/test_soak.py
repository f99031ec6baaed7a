"""The long run works at small sizes, and its checker sees what no register could have done."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

_SOAK = Path(__file__).parents[1] / "soak"
_PARTS = ("documents", "damage", "stream", "register")


@pytest.fixture
def soaked(monkeypatch):
    """Give what imports a module of the long run."""
    monkeypatch.syspath_prepend(str(_SOAK))
    return importlib.import_module


@pytest.fixture
def history(soaked):
    """Give the module that judges histories."""
    return soaked("history")


@pytest.fixture
def judged(history):
    """Give what the checker says of operations, each spelled as kind, value, begin and end."""
    return lambda *operations: history.violations([history.Operation(*each) for each in operations])


def test_parts_run_at_small_sizes_and_the_report_names_each(tmp_path):
    report = tmp_path / "report.md"
    sizes = "--documents=40 --inputs=40 --stream-mib=3 --processes=2 --register-seconds=0.3"
    places = [f"--folder={tmp_path}", f"--report={report}"]
    command = [sys.executable, str(_SOAK / "run.py"), *sizes.split(), *places, *_PARTS]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    rows = [line.split(" | ") for line in report.read_text().splitlines() if line.startswith("| ")][1:]
    assert [(row[0].strip("| "), row[3]) for row in rows] == [(name, "ok") for name in _PARTS]
    assert {path.name for path in tmp_path.iterdir()} == {"report.md"}


def test_history_of_a_register_is_taken(judged):
    assert not judged(
        ("write", "a", 0, 10),
        ("read", "a", 5, 20),
        ("write", "b", 15, 30),
        ("read", "a", 16, 29),
        ("read", "b", 17, 28),
        ("read", "b", 31, 40),
    )


def test_stale_read_is_caught(judged):
    said = judged(("write", "a", 0, 1), ("write", "b", 2, 3), ("read", "a", 4, 5))
    assert said == ["a was read although b had overwritten it before that read"]


def test_value_that_was_read_again_after_the_next_one_was_read_is_caught(judged):
    assert judged(
        ("write", "a", 0, 1),
        ("write", "b", 2, 9),
        ("read", "b", 3, 4),
        ("read", "a", 5, 6),
        ("read", "b", 7, 8),
    )


def test_value_that_was_never_written_is_caught(judged):
    assert judged(("write", "a", 0, 1), ("read", "b", 2, 3)) == ["b was read and never written"]


def test_value_that_was_read_before_it_was_written_is_caught(judged):
    assert judged(("write", "a", 0, 1), ("read", "b", 2, 3), ("write", "b", 4, 5))


def test_write_of_which_nobody_knows_may_have_taken_place_or_not(judged, history):
    lost = ("write", "b", 2, history.NEVER)
    assert not judged(("write", "a", 0, 1), lost, ("read", "a", 6, 7))
    assert not judged(("write", "a", 0, 1), lost, ("read", "a", 6, 7), ("read", "b", 8, 9))
    assert judged(("write", "a", 0, 1), lost, ("read", "b", 6, 7), ("read", "a", 8, 9))


def test_stale_read_planted_in_the_log_of_a_real_run_is_caught(soaked, tmp_path):
    register = soaked("register")
    wrong, counts = register.contend("directory", 2, 0.5, tmp_path)
    assert wrong == []
    assert counts["read"]
    assert counts["write"] > 1
    now = time.monotonic_ns()
    (tmp_path / "planted.log").write_text(json.dumps(["read", "first", now, now + 1, ""]) + "\n")
    assert any("first was read although" in each or "over first" in each for each in register.judge(tmp_path)[0])


def test_document_that_the_codec_changes_is_caught(monkeypatch, soaked):
    documents = soaked("documents")
    assert documents.compare(200) == []
    monkeypatch.setattr(documents, "load_json", lambda text: [text])
    assert len(documents.compare(200)) > 100


def test_forged_value_is_caught(monkeypatch, soaked):
    damage = soaked("damage")
    wrong, counts = damage.read_damaged(80)
    assert (wrong, counts.total() >= 80) == ([], True)
    monkeypatch.setattr(damage, "_outcome", lambda *_: damage._FORGED)
    assert damage.read_damaged(80)[0]
