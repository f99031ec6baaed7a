from __future__ import annotations

import json

import pytest

from lamella.errors import ConfigError, StackOrderError, UnknownPluginError

BEST = "zstd | padme | cobblestone256 | chunk | memory://"


def _told(cli, *arguments):
    return json.loads(cli("explain", *arguments, "--json").stdout)


def test_chain_is_drawn_without_a_keyring_and_without_opening_the_store(cli, empty_folder):
    printed = cli("explain", "cobblestone256 | zstd | chunk(1MiB) | directory://objects").stdout
    assert [line.split()[1] for line in printed.splitlines()[1:5]] == ["cobblestone256", "zstd", "chunk", "directory"]
    assert "part_bytes=1048576" in printed
    assert "warning: zstd after cobblestone256" in printed
    assert "better order: zstd | padme | cobblestone256 | chunk" in printed
    assert list(empty_folder.iterdir()) == []


def test_recommended_chain_has_no_warning(cli):
    told = _told(cli, BEST)
    assert (told["warnings"], told["better_order"], told["strength"]) == ([], None, 200)


def test_warning_is_told_once(shell):
    result = shell("explain", "zstd | cobblestone256 | memory://")
    assert result.stdout.count("padme between") == 1
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("chain", "leak"),
    [
        (BEST, "about how long each value is, since padding rounds it, after compression"),
        ("zstd | cobblestone256 | memory://", "exactly how long each value is, after compression"),
        ("padme | cobblestone256 | memory://", "about how long each value is, since padding rounds it"),
        ("cobblestone256 | memory://", "exactly how long each value is"),
        ("cobblestone256 | padme | memory://", "exactly how long each value is"),
        ("cobblestone256 | zstd | memory://", "exactly how long each value is"),
        ("padme | zstd | cobblestone256 | memory://", "exactly how long each value is, after compression"),
        ("padme | cobblestone256 | zstd | memory://", "about how long each value is, since padding rounds it"),
    ],
)
def test_leaks_follow_from_the_layers(cli, chain, leak):
    told = _told(cli, chain)["leaks"]
    assert told[0] == leak
    assert any("no name and no value" in each for each in told)


@pytest.mark.parametrize(
    ("chain", "is_whole"),
    [
        ("cobblestone256 | sqlite:///x.db", True),
        ("cobblestone256 | chunk | sqlite:///x.db", False),
        ("cobblestone256 | directory://x", False),
        ("cobblestone256 | inline://", False),
    ],
)
def test_stream_that_memory_holds_as_a_whole_is_told(cli, chain, is_whole):
    told = _told(cli, chain)["memory"]
    assert (told is not None) == is_whole
    assert ("held in memory as a whole" in cli("explain", chain).stdout) == is_whole


def test_plaintext_is_called_plaintext(cli, monkeypatch):
    monkeypatch.setenv("LAMELLA__POLICY__ALLOW_PLAINTEXT", "true")
    told = _told(cli, "zstd | memory://")
    assert (told["strength"], told["leaks"]) == (0, ["the values themselves, and the names of their scopes and keys"])
    assert "nothing is encrypted" in cli("explain", "zstd | memory://").stdout


@pytest.mark.parametrize(
    ("chain", "error"),
    [
        ("zstd | memory://", ConfigError),
        ("chunk | cobblestone256 | chunk | memory://", StackOrderError),
        ("cobblestone256 | chunk | inline://", StackOrderError),
        ("rot26 | memory://", UnknownPluginError),
    ],
)
def test_chain_that_cannot_work_is_a_config_error(cli, chain, error):
    cli("explain", chain, fails=error)


def test_warning_is_an_error_under_strict(cli, monkeypatch):
    monkeypatch.setenv("LAMELLA__POLICY__STRICT", "true")
    cli("explain", "zstd | cobblestone256 | memory://", fails=StackOrderError)


def test_configuration_is_found_or_named(cli, configured):
    found = _told(cli)
    assert found["store"] == "directory"
    (configured / "lamella.toml").rename(configured / "other.toml")
    assert _told(cli, "other.toml") == found
