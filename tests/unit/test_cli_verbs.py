from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path

import click
import pytest

from lamella.errors import (
    AddressError,
    ConfigError,
    InvalidValueError,
    LimitExceededError,
    ObjectNotFoundError,
    RefMismatchError,
    StackOrderError,
)

TASK = ("--dag", "payroll", "--run", "2026-11", "--task", "extract")
CURSOR = (*TASK, "--key", "cursor")


@pytest.mark.parametrize(
    "address",
    [
        TASK,
        (*TASK, "--map-index", 7),
        ("--asset-name", "ledger"),
        ("--asset-uri", "s3://bucket/ledger"),
        ("--asset-id", 12),
    ],
    ids=["task", "mapped", "name", "uri", "id"],
)
@pytest.mark.usefixtures("configured")
def test_value_is_read_back_by_its_ref_and_at_its_address(cli, address):
    value = {"page": 42, "token": "ä", "rates": [0.5, None, True]}
    ref = cli("put", json.dumps(value), *address, "--key", "cursor").stdout.strip()
    for arguments in ((ref,), (*address, "--key", "cursor"), (ref, *address, "--key", "cursor")):
        assert json.loads(cli("get", *arguments).stdout) == value


@pytest.mark.usefixtures("configured")
def test_ref_is_the_only_line_on_the_standard_output(shell):
    result = shell("put", "1", *CURSOR, "--sizes")
    assert result.stdout.count("\n") == 1
    assert result.stdout.startswith("lamella:1:")
    for name in ("value", "zstd", "padme", "cobblestone256", "chunk", "1 object"):
        assert name in result.stderr


def test_value_comes_from_an_argument_a_file_or_the_standard_input(cli, configured):
    (configured / "value.json").write_text('{"page": 1}')
    refs = {
        cli("put", '{"page": 1}', *CURSOR).stdout,
        cli("put", "--file", configured / "value.json", *CURSOR).stdout,
        cli("put", "-", *CURSOR, given='{"page": 1}').stdout,
    }
    assert len(refs) == 1
    assert json.loads(cli("get", *CURSOR).stdout) == {"page": 1}


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("arguments", [(), ("1", "--file", "lamella.toml"), ("1", "--stream", "lamella.toml")])
def test_put_wants_exactly_one_value(cli, arguments):
    assert "one value" in cli("put", *arguments, *CURSOR, fails=click.UsageError)


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("text", ['{"canary', "canary", "NaN", "1" * 5000, "-" + "1" * 5000, '"canary"x', "\udcff"])
def test_value_that_is_no_json_is_refused_without_repeating_it(cli, text):
    assert "canary" not in cli("put", *CURSOR, "--", text, fails=InvalidValueError)


@pytest.mark.usefixtures("configured")
def test_number_below_zero_is_a_value_behind_two_dashes(cli):
    cli("put", "-5", *CURSOR, fails=click.NoSuchOption)
    cli("put", *CURSOR, "--", "-5")
    assert cli("get", *CURSOR).stdout == "-5\n"


def test_file_that_is_no_utf8_is_no_json(cli, configured):
    (configured / "value").write_bytes(b'"\xff\xfe"')
    cli("put", "--file", configured / "value", *CURSOR, fails=InvalidValueError)


def test_file_above_the_limit_is_refused(cli, configured, monkeypatch):
    monkeypatch.setenv("LAMELLA__LIMITS__MAX_VALUE_BYTES", "10")
    (configured / "value").write_text(json.dumps("x" * 11))
    cli("put", "--file", configured / "value", *CURSOR, fails=LimitExceededError)


@pytest.mark.parametrize("size_bytes", [0, 1, 65_536, 1_000_001])
def test_stream_is_written_to_a_file_as_it_was(cli, configured, size_bytes):
    content = bytes(range(251)) * (size_bytes // 251 + 1)
    (configured / "stream").write_bytes(content[:size_bytes])
    ref = cli("put", "--stream", configured / "stream", *CURSOR).stdout.strip()
    answer = json.loads(cli("get", ref, "--output", configured / "copy", "--json").stdout)
    assert answer == {"output": str(configured / "copy"), "size_bytes": size_bytes}
    assert (configured / "copy").read_bytes() == (configured / "stream").read_bytes()


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_stream_goes_to_the_standard_output_by_each_of_its_names_and_nothing_with_it(configured, shell, name):
    (configured / "bytes").write_bytes(b"bytes")
    ref = shell("put", "--stream", "bytes", *CURSOR).stdout.strip()
    got = shell("get", ref, "--output", name)
    assert (got.stdout, got.stderr) == ("bytes", "")


@pytest.mark.usefixtures("configured")
def test_stream_comes_from_the_standard_input_and_goes_to_the_standard_output(cli):
    ref = cli("put", "--stream", "-", *CURSOR, given=b"\x00\xff\r\n").stdout.strip()
    assert cli("get", ref, "--output", "-", "--json").stdout_bytes == b"\x00\xff\r\n"
    cli("get", ref, fails=InvalidValueError)


@pytest.mark.usefixtures("configured")
def test_get_wants_a_ref_or_an_address(cli):
    for arguments in ((), (*CURSOR, "--output", "copy"), ("--output", "copy")):
        assert "ref" in cli("get", *arguments, fails=click.UsageError)


@pytest.mark.usefixtures("configured")
def test_ref_of_another_address_is_refused(cli):
    ref = cli("put", "1", *CURSOR).stdout.strip()
    cli("get", ref, *TASK, "--key", "other", fails=RefMismatchError)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--dag", "d", "--run", "r"),
        (*TASK, "--asset-name", "a"),
        ("--asset-name", "a", "--asset-id", 1),
        ("--asset-name", "a", "--map-index", 1),
        ("--map-index", 1),
    ],
)
@pytest.mark.usefixtures("configured")
def test_names_must_make_up_one_scope(cli, arguments):
    assert "one scope" in cli("delete", *arguments, "--key", "k", fails=click.UsageError)


@pytest.mark.usefixtures("configured")
def test_address_needs_a_key(cli):
    assert "--key" in cli("put", "1", *TASK, fails=click.UsageError)
    assert "--key" in cli("get", *TASK, fails=click.UsageError)


@pytest.mark.usefixtures("configured")
def test_name_that_cannot_be_one_is_an_address_error(cli):
    cli("put", "1", *TASK, "--key", "k" * 5000, fails=AddressError)


def test_delete_removes_the_value_and_is_no_error_when_repeated(cli, objects):
    ref = cli("put", "1", *CURSOR).stdout.strip()
    cli("delete", *CURSOR)
    assert objects() == []
    cli("get", ref, fails=ObjectNotFoundError)
    assert json.loads(cli("delete", *CURSOR, "--json").stdout) == {"deleted": True}


def test_clear_asks_before_it_removes_anything(cli, objects):
    cli("put", "1", *CURSOR)
    assert "nothing was removed" in cli("clear", *TASK, fails=click.ClickException, given="n\n")
    cli("clear", *TASK, fails=(click.Abort, click.ClickException), given="")
    assert len(objects()) == 1
    cli("clear", *TASK, given="y\n")
    assert objects() == []


def test_clear_asks_about_the_map_index_that_it_is_given(cli, configured):
    assert configured
    assert "every value of map index 3 of the task" in cli("clear", *TASK, "--map-index", 3, given="y\n").output
    asked = cli("clear", *TASK, "--map-index", 3, "--all-map-indices", given="y\n").output
    assert "every value of all map indices of the task" in asked


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_error_begins_a_line_of_its_own_behind_a_question(configured, answer):
    command = [Path(sysconfig.get_path("scripts")) / "lamella", "clear", *TASK, "--json"]
    told = subprocess.run(command, cwd=configured, input=answer, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert json.loads(told.stderr.splitlines()[-1])["transient"] is False


def test_clear_leaves_other_map_indices_unless_told(cli, objects):
    for index in (1, 2):
        cli("put", "1", *CURSOR, "--map-index", index)
    cli("clear", *TASK, "--map-index", 1, "--yes")
    assert len(objects()) == 1
    assert json.loads(cli("clear", *TASK, "--all-map-indices", "--yes", "--json").stdout) == {"cleared": True}
    assert objects() == []


def test_locate_names_the_file_of_the_object(cli, configured, objects):
    cli("put", "1", *CURSOR, "--map-index", 3)
    located = json.loads(cli("locate", *CURSOR, "--map-index", 3, "--json").stdout)
    assert objects() == [configured / "objects" / located["locator"]]
    assert located["locator"].split("/")[1:] == [located["scope_id"], "3", located["key_id"]]
    assert located["kind"] == "task"
    assert located["locator"] in cli("locate", *CURSOR, "--map-index", 3).stdout


def test_options_before_the_verb_are_those_behind_it(cli, configured):
    (configured / "lamella.toml").rename(configured / "other.toml")
    chain = "cobblestone256 | directory://elsewhere"
    ref = json.loads(cli("--chain", chain, "--json", "put", "1", *CURSOR).stdout)["ref"]
    assert "cobblestone256" in ref
    assert (configured / "elsewhere").is_dir()
    assert json.loads(cli("put", "1", *CURSOR, "--chain", chain, "--json").stdout)["ref"] == ref
    assert "zstd" in cli("--config", "other.toml", "put", "1", *CURSOR).stdout
    assert json.loads(cli("--json", "key", "list").stdout)["deployment"] == "prod"


@pytest.mark.usefixtures("configured")
def test_chain_that_an_empty_variable_gave_is_refused_on_either_side_of_the_verb(cli):
    assert "chain (argument)" in cli("--chain", "", "put", "1", *CURSOR, fails=ConfigError)
    assert "chain (argument)" in cli("put", "1", *CURSOR, "--chain", "", fails=ConfigError)
    ref = cli("put", "1", *CURSOR).stdout.strip()
    assert "chain (argument)" in cli("inspect", ref, "--chain", "", fails=ConfigError)


@pytest.mark.usefixtures("configured")
def test_keyring_option_is_stronger_than_the_configuration(cli):
    cli("keygen", "--deployment", "other", "--keyring", "file:other.keyring")
    refs = {cli("put", "1", *CURSOR).stdout, cli("put", "1", *CURSOR, "--keyring", "file:other.keyring").stdout}
    assert len(refs) == 2


@pytest.mark.usefixtures("configured")
def test_stack_warning_is_one_line_on_the_standard_error(shell):
    result = shell("put", "1", *CURSOR, "--chain", "cobblestone256 | zstd | directory://objects")
    assert result.stderr.startswith("warning: ")
    assert result.stderr.count("\n") == 1


def test_verb_without_a_configuration_says_how_to_make_one(cli):
    assert "LAMELLA__CHAIN" in cli("put", "1", *CURSOR, fails=ConfigError)


@pytest.mark.usefixtures("configured")
def test_chain_that_cannot_work_is_refused(cli):
    cli("put", "1", *CURSOR, "--chain", "chunk | chunk | memory://", fails=StackOrderError)


@pytest.mark.usefixtures("configured")
def test_gc_takes_a_finite_number_of_hours_from_zero_on(cli):
    assert cli("gc", "--older-than-hours", "0.5").stdout == "removed 0 generations of parts without a value\n"
    for hours in ("nan", "inf", "1e308", "-1", "a day"):
        cli("gc", "--older-than-hours", hours, fails=click.BadParameter)
