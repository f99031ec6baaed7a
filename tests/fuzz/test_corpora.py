"""Every file of every corpus goes through its target, without libFuzzer."""

from __future__ import annotations

import ast
import hashlib
import re

import pytest

from lamella.limits import DEFAULT_LIMITS

_MAX_CORPORA_BYTES = 3 * 1024**2
_ENTRY = re.compile(r'"(?:[^"\\]|\\["\\]|\\x[0-9a-f]{2})+"')


def _files(fuzz, target):
    return sorted((fuzz / "corpus" / target).iterdir())


def _replay(module, paths):
    for path in paths:
        module.one_input(path.read_bytes())


def _nothing(*_):
    return b""


def test_corpus_is_replayed_without_a_finding(target, fuzz, load):
    module = load(f"fuzz_{target}")
    paths = _files(fuzz, target)
    assert paths
    _replay(module, paths)


def test_corpus_holds_a_seed_of_each_vector(target, fuzz, load):
    seeds = {hashlib.sha256(seed).hexdigest()[:32]: seed for seed in load("seed").seeds(target)}
    found = {path.name: path.read_bytes() for path in _files(fuzz, target)}
    assert seeds.items() <= found.items(), "run python fuzz/seed.py"


def test_file_of_a_corpus_is_small_and_named_by_its_bytes(target, fuzz, load):
    seed = load("seed")
    for path in _files(fuzz, target):
        assert path.name == hashlib.sha256(path.read_bytes()).hexdigest()[:32]
        assert path.stat().st_size <= seed.MAX_FILE_BYTES


def test_corpora_are_small(fuzz):
    assert sum(path.stat().st_size for path in (fuzz / "corpus").rglob("*") if path.is_file()) <= _MAX_CORPORA_BYTES


def test_target_imports_atheris_under_main_alone(target, fuzz):
    tree = ast.parse((fuzz / f"fuzz_{target}.py").read_text())
    importing = [node for node in tree.body if "import atheris" in ast.unparse(node)]
    assert [ast.unparse(node.test) for node in importing] == ["__name__ == '__main__'"]


def test_dictionary_is_one_that_libfuzzer_reads(target, fuzz):
    lines = (fuzz / "dictionaries" / f"{target}.dict").read_text(encoding="ascii").splitlines()
    entries = [line for line in lines if line and not line.startswith("#")]
    assert entries
    assert [entry for entry in entries if _ENTRY.fullmatch(entry) is None] == []


def test_error_without_a_name_is_a_finding_and_a_named_one_is_not(load):
    harness = load("harness")
    with pytest.raises(ZeroDivisionError):
        harness.refused(divmod, 1, 0)
    assert harness.refused(DEFAULT_LIMITS.check_value, 2**40) is harness.REFUSED
    assert harness.refused(divmod, 7, 2) == (3, 1)


def test_broken_claim_is_a_finding(load):
    with pytest.raises(AssertionError, match="two spellings"):
        load("harness").same("one", "other", "a record has two spellings")


@pytest.mark.parametrize(
    ("where", "name", "broken"),
    [
        ("head", "pack_head", _nothing),
        ("manifest", "format_manifest", _nothing),
        ("lead", "pack_lead", _nothing),
        ("envelope", "pack_header", _nothing),
        ("keyring", "pack", _nothing),
        ("ref", "format_ref", _nothing),
        ("read", "_GENUINE", set()),
        ("resealed", "load_json", _nothing),
        ("cobblestone256", "_by_fallback", _nothing),
        ("zstd", "decode_both_ways", lambda _, encoded, __: encoded),
        ("padme", "decode_both_ways", lambda _, encoded, __: encoded),
    ],
)
def test_defect_that_was_planted_is_found(where, name, broken, fuzz, load, monkeypatch):  # noqa: PLR0913 - three are one case
    target = load(f"fuzz_{where}")
    monkeypatch.setattr(target, name, broken)
    with pytest.raises(AssertionError):
        _replay(target, _files(fuzz, where))
