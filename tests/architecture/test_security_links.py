"""Each claim that SECURITY.md makes against an attacker leads to tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
TARGETS = dict(re.findall(r"^\[(test_\w+)\]: (\S+)$", PAGE, re.MULTILINE))
PROVED_ELSEWHERE = {"-", "what is held against each of the two"}


def _rows(heading):
    """Give the cells of the rows of the table under a heading row."""
    table = PAGE.partition(f"{heading}\n|---|---|---|\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


HELD = [
    (attacker, claim)
    for attacker, held, _ in _rows("| attacker | held | not held |")
    for claim in held.split("; ")
    if claim not in PROVED_ELSEWHERE
]
PROVED = {(attacker, claim): proofs for attacker, claim, proofs in _rows("| attacker | claim | proved by |")}


def _functions(path):
    return {each.name for each in ast.parse(path.read_text()).body if isinstance(each, ast.FunctionDef)}


def test_every_held_claim_is_proved_and_nothing_else_is():
    assert len(HELD) >= 20
    assert list(PROVED) == HELD


@pytest.mark.parametrize("claim", HELD, ids=" - ".join)
def test_claim_leads_to_one_to_three_tests(claim):
    links = re.findall(r"\[(\w+)\]", PROVED[claim])
    assert PROVED[claim] == ", ".join(f"[{name}]" for name in links)
    assert 1 <= len(links) == len(set(links)) <= 3
    assert set(links) <= TARGETS.keys()


def test_every_target_is_linked():
    assert {name for proofs in PROVED.values() for name in re.findall(r"\w+", proofs)} == TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_linked_test_is_in_its_file(name):
    assert TARGETS[name].startswith("tests/")
    assert name in _functions(ROOT / TARGETS[name])
