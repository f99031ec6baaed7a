from __future__ import annotations

import json
from importlib.metadata import version

import pytest

from lamella.errors import ConfigError, KeyringError, StoreError


def test_healthy_installation_passes_every_step_and_nothing_stays(cli, configured, objects):
    told = json.loads(cli("doctor", "--json").stdout)
    assert [each["step"] for each in told["steps"]] == ["configuration", "stack and keyring", "write", "read", "delete"]
    assert all(each["failed"] is None for each in told["steps"])
    assert (configured / "objects").is_dir()
    assert objects() == []


@pytest.mark.usefixtures("configured")
def test_settings_are_shown_with_where_they_came_from(cli, monkeypatch):
    monkeypatch.setenv("LAMELLA__LIMITS__MAX_PARTS", "77")
    told = json.loads(cli("doctor", "--json").stdout)["configuration"]
    assert told["chain"]["from"] == "lamella.toml"
    assert told["limits.max_parts"] == {"value": "77", "from": "environment LAMELLA__LIMITS__MAX_PARTS"}
    assert told["policy.strict"]["from"] == "default"
    printed = cli("doctor").stdout
    assert "limits.max_parts = 77  (environment LAMELLA__LIMITS__MAX_PARTS)" in printed


@pytest.mark.usefixtures("configured")
def test_keyring_and_plugins_are_shown(cli):
    told = json.loads(cli("doctor", "--json").stdout)
    listed = json.loads(cli("key", "list", "--json").stdout)
    assert told["keyring"] == {name: listed[name] for name in ("deployment", "keyring_id", "epoch")}
    assert told["plugins"]["layer zstd"] == told["plugins"]["store sqlite"] == f"lamella {version('lamella')}"


def test_no_credential_is_shown(shell, configured):
    (configured / "lamella.toml").write_text(
        'chain = "cobblestone256 | directory://objects"\n'
        "[stores.archive]\n"
        'url = "s3://bucket?access_key_id=someone&secret_access_key=canary"\n'
    )
    # Without a keyring the verb ends before it would ask the bucket.
    (configured / "lamella.keyring").unlink()
    for result in (shell("doctor"), shell("doctor", "--json")):
        assert "***" in result.stdout
        assert "canary" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "broken",
    [
        (lambda folder: (folder / "lamella.toml").write_text("chain = 1"), "configuration", ConfigError),
        (lambda folder: (folder / "lamella.keyring").unlink(), "stack and keyring", KeyringError),
        (lambda folder: (folder / "objects").touch(), "write", StoreError),
    ],
    ids=["configuration", "keyring", "store"],
)
def test_first_broken_step_is_named_and_its_error_ends_the_verb(cli, shell, configured, broken):
    breakage, step, error = broken
    breakage(configured)
    cli("doctor", fails=error)
    result = shell("doctor")
    assert result.returncode != 0
    assert f"{step:24} failed" in result.stdout
    told = json.loads(shell("doctor", "--json").stdout)["steps"]
    assert next(each["step"] for each in told if each["failed"]) == step
