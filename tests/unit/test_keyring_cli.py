from __future__ import annotations

import json
import stat

import click
import pytest
from click.testing import CliRunner

from lamella.cli.key import key
from lamella.cli.keygen import keygen
from lamella.errors import ConfigError, KeyringError, UnknownPluginError
from lamella.keys.document import pack, unpack
from lamella.keys.providers import FileKeyProvider

_LAMELLA = click.Group(commands={"keygen": keygen, "key": key})


@pytest.fixture
def spec(tmp_path):
    return f"file:{tmp_path / 'lamella.keyring'}"


@pytest.fixture
def run(spec):
    """Run a command on the test's keyring, and return what it printed."""

    def run_command(*arguments):
        result = CliRunner().invoke(_LAMELLA, [*arguments], env={"LAMELLA__KEYRING": spec})
        if result.exit_code:
            raise result.exception if isinstance(result.exception, Exception) else click.UsageError(result.output)
        return result.stdout

    return run_command


@pytest.fixture
def made(run):
    return json.loads(run("keygen", "--deployment", "prod", "--json"))


@pytest.fixture
def record(spec):
    return lambda: unpack(FileKeyProvider(spec.removeprefix("file:")).load())


def _added(run, *arguments):
    return json.loads(run("key", "add", "--json", *arguments))["key"]["key_id"]


def test_keygen_makes_a_keyring_and_says_to_back_it_up(run, record):
    printed = run("keygen", "--deployment", "prod")
    assert record().keyring_id.hex() in printed
    assert "lamella key export" in printed
    assert record().deployment == "prod"


def test_keygen_in_json_names_the_keyring(made, record, spec):
    assert made == {"deployment": "prod", "keyring_id": record().keyring_id.hex(), "epoch": 1, "keyring": spec}


@pytest.mark.usefixtures("made")
def test_keygen_never_overwrites_a_keyring(run, record):
    before = record()
    with pytest.raises(KeyringError, match="never overwritten"):
        run("keygen", "--deployment", "prod")
    assert record() == before


def test_keygen_wants_a_deployment(run):
    with pytest.raises(click.UsageError, match="--deployment"):
        run("keygen")


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("role", ["data", "ref"])
def test_key_passes_through_its_life(run, record, role):
    key_id = _added(run, "--role", role)
    old = record().primary(role).key_id.hex()
    steps = [
        (key_id, ["promote"], "primary"),
        (old, ["disable"], "disabled"),
        (old, ["activate"], "active"),
        (old, ["disable"], "disabled"),
        (old, ["destroy", "--yes-destroy-the-data"], "destroyed"),
    ]
    for epoch, (each, (verb, *flags), status) in enumerate(steps, start=3):
        answer = json.loads(run("key", verb, each, *flags, "--json"))
        assert (answer["key"]["key_id"], answer["key"]["status"], answer["epoch"]) == (each, status, epoch)
    assert record().primary(role).key_id.hex() == key_id


@pytest.mark.usefixtures("made")
def test_add_makes_a_staged_data_key(run, record):
    printed = run("key", "add")
    added = record().keys[-1]
    assert (added.role, added.status) == ("data", "staged")
    assert added.key_id.hex() in printed


@pytest.mark.usefixtures("made")
def test_destroy_without_its_flag_changes_nothing(run, record):
    key_id = _added(run)
    run("key", "disable", key_id)
    before = record()
    with pytest.raises(click.UsageError, match="can never be read again"):
        run("key", "destroy", key_id)
    assert record() == before


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("cut", [slice(0, 15), slice(0, 4), slice(0, 0)])
def test_beginning_of_a_key_id_is_not_enough(run, cut):
    with pytest.raises(click.UsageError, match="full id"):
        run("key", "promote", _added(run)[cut])


@pytest.mark.usefixtures("made")
def test_narrow_terminal_cuts_no_id_since_other_commands_want_all_of_it(run, record, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    listed = run("key", "list")
    assert all(key.key_id.hex() in listed for key in record().keys)


@pytest.mark.usefixtures("made")
def test_list_shows_every_key_and_no_secret(run, record):
    _added(run, "--role", "ref")
    listing = json.loads(run("key", "list", "--json"))
    assert [(each["key_id"], each["role"], each["status"], each["created_at"]) for each in listing["keys"]] == [
        (each.key_id.hex(), each.role, each.status, each.created_at) for each in record().keys
    ]
    table = run("key", "list")
    for each in record().keys:
        assert each.key_id.hex() in table
        assert each.secret.hex() not in table + json.dumps(listing)


@pytest.mark.usefixtures("made")
def test_plain_export_is_a_new_file_for_its_owner_alone_that_verifies(run, record, tmp_path):
    backup = tmp_path / "backup"
    assert "in the clear" in run("key", "export", "--output", str(backup))
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert unpack(backup.read_text()) == record()
    assert "holds every key" in run("key", "verify-backup", str(backup))
    with pytest.raises(KeyringError, match="never overwritten"):
        run("key", "export", "--output", str(backup))


@pytest.mark.usefixtures("made")
def test_export_prints_the_document_only_when_asked_to(run, record):
    with pytest.raises(click.UsageError, match="--output"):
        run("key", "export")
    with pytest.raises(click.UsageError, match="standard output"):
        run("key", "export", "--output", "-", "--json")
    assert run("key", "export", "--output", "-") == pack(record())


@pytest.mark.usefixtures("made")
def test_wrapped_export_verifies_with_its_keyring_alone(run, record, tmp_path):
    wrapping, backup = f"file:{tmp_path / 'backups.keyring'}", tmp_path / "backup"
    run("keygen", "--deployment", "backups", "--keyring", wrapping)
    answer = json.loads(run("key", "export", "--output", str(backup), "--wrap-with", wrapping, "--json"))
    assert (answer["output"], answer["wrapped"]) == (str(backup), True)
    assert pack(record()).strip() not in backup.read_text()
    assert json.loads(run("key", "verify-backup", str(backup), "--wrapped-by", wrapping, "--json"))["complete"]
    with pytest.raises(KeyringError, match="--wrapped-by"):
        run("key", "verify-backup", str(backup))


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "wrapped"])
def test_backup_is_restored_where_no_keyring_is(run, record, tmp_path, wrapped):
    wrapping, backup, restored = f"file:{tmp_path / 'backups.keyring'}", str(tmp_path / "backup"), tmp_path / "restored"
    run("keygen", "--deployment", "backups", "--keyring", wrapping)
    run("key", "export", "--output", backup, *(["--wrap-with", wrapping] if wrapped else []))
    command = ["key", "restore", backup, *(["--wrapped-by", wrapping] if wrapped else []), "--json"]
    answer = json.loads(run(*command, "--keyring", f"file:{restored}"))
    assert (answer["keyring_id"], answer["epoch"]) == (record().keyring_id.hex(), 1)
    assert FileKeyProvider(restored).load() == pack(record())
    with pytest.raises(KeyringError, match="never overwritten"):
        run(*command)


@pytest.mark.usefixtures("made")
def test_plain_backup_does_not_verify_as_a_wrapped_one(run, tmp_path):
    wrapping, backup = f"file:{tmp_path / 'backups.keyring'}", str(tmp_path / "backup")
    run("keygen", "--deployment", "backups", "--keyring", wrapping)
    run("key", "export", "--output", backup)
    with pytest.raises(KeyringError, match="not wrapped"):
        run("key", "verify-backup", backup, "--wrapped-by", wrapping)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("command", ["verify-backup", "restore"])
def test_backup_that_others_can_access_is_refused(run, tmp_path, command):
    backup = tmp_path / "backup"
    run("key", "export", "--output", str(backup))
    backup.chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        run("key", command, str(backup))


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("command", ["verify-backup", "restore"])
def test_backup_that_is_not_there_is_not_taken_for_a_missing_keyring(run, tmp_path, command):
    with pytest.raises(click.UsageError, match="does not exist"):
        run("key", command, str(tmp_path / "backup"))


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_backup_that_lacks_a_key_does_not_verify(run, spec, tmp_path, flags):
    backup = tmp_path / "backup"
    run("key", "export", "--output", str(backup))
    key_id = _added(run)
    result = CliRunner().invoke(_LAMELLA, ["key", "verify-backup", str(backup), "--keyring", spec, *flags])
    assert isinstance(result.exception, KeyringError)
    assert f"lacks data key {key_id}" in str(result.exception)
    if flags:
        assert [each["key_id"] for each in json.loads(result.stdout)["missing"]] == [key_id]


@pytest.mark.parametrize(("bad", "error"), [("lamella.keyring", ConfigError), ("vault:x", UnknownPluginError)])
def test_spec_without_an_installed_provider_is_a_config_error(run, bad, error):
    with pytest.raises(error):
        run("key", "list", "--keyring", bad)
