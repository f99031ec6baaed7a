"""The runner tells a finding from a clean end, and keeps what it needs to be reproduced."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

_TARGET = """
import sys
prefix = next(each for each in sys.argv if each.startswith("-artifact_prefix=")).partition("=")[2]
sys.stderr.write("#2 NEW cov: 7 ft: 9\\n#9 DONE cov: 8 ft: 9\\nstat::number_of_executed_units: 123\\n")
"""
_CRASH = 'open(prefix + "crash-1", "w").close()\nsys.exit(77)\n'
_STOP = "sys.exit(1)\n"


@pytest.fixture
def run(load, tmp_path, monkeypatch):
    """Give what runs a target made of this ending, in a folder of its own."""
    module = load("run")
    monkeypatch.setattr(module, "_FUZZ", tmp_path)
    monkeypatch.setattr(module, "_GROWN", tmp_path / "grown")
    monkeypatch.setattr(module, "_FINDINGS", tmp_path / "findings")

    def run(ending):
        (tmp_path / "fuzz_head.py").write_text(_TARGET + ending)
        return CliRunner().invoke(module.main, ["--seconds-each", "1", "head"])

    return run


def test_clean_end_is_told_with_executions_and_edges(run):
    result = run("")
    assert result.exit_code == 0
    assert result.output.splitlines()[1].split() == ["head", "123", "8", "-"]


def test_finding_fails_the_run_and_is_kept_with_the_command_that_repeats_it(run, tmp_path):
    result = run(_CRASH)
    assert result.exit_code == 1
    kept = tmp_path / "findings" / "head-crash-1"
    assert kept.is_file()
    assert result.output.splitlines()[-1].endswith(f"fuzz/fuzz_head.py {kept}")


def test_target_that_stops_without_an_input_fails_the_run_and_leaves_its_output(run, tmp_path):
    result = run(_STOP)
    assert result.exit_code == 1
    assert "cov: 8" in (tmp_path / "findings" / "head.log").read_text()
    assert result.output.splitlines()[-1] == f"read {tmp_path / 'findings' / 'head.log'}"
