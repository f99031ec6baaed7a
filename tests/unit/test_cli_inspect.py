from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import click
import pytest

from lamella.errors import IntegrityError, KeyVersionNotFoundError, MalformedRefError, RefTagError

CURSOR = ("--dag", "payroll", "--run", "2026-11", "--task", "extract", "--map-index", 3, "--key", "cursor")


@pytest.fixture
def ref(cli, configured):
    assert configured
    return cli("put", '{"page": 42}', *CURSOR).stdout.strip()


def _stored(folder):
    (path,) = [path for path in (folder / "objects" / "o1").rglob("*") if path.is_file()]
    return path


def _told(cli, *arguments):
    return json.loads(cli("inspect", *arguments, "--json").stdout)


def test_ref_is_shown_without_keys(cli, ref, configured):
    (configured / "lamella.keyring").unlink()
    told = _told(cli, ref)
    assert told["verified"] is False
    assert (told["store"], told["kind"], told["map_index"]) == ("main", "task", 3)
    assert [each.split()[0] for each in told["layers"]] == ["zstd", "padme", "cobblestone256", "chunk"]
    assert configured / "objects" / told["locator"] == _stored(configured)
    assert told["ref_key_id"] in ref


def test_object_is_shown_without_keys(cli, ref, configured):
    assert ref
    told = _told(cli, _stored(configured))
    assert (told["verified"], told["shape"]) == (False, "whole")
    assert told["stored_bytes"] == _stored(configured).stat().st_size
    (seal,) = told["seals"]
    keys = json.loads(cli("key", "list", "--json").stdout)["keys"]
    assert seal["data_key_id"] in [each["key_id"] for each in keys if each["role"] == "data"]
    age = datetime.now(timezone.utc) - datetime.strptime(seal["sealed_at"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert timedelta(0) <= age < timedelta(minutes=5)


def test_neither_shows_a_name_or_a_value_without_keys(cli, ref, configured):
    for subject in (ref, _stored(configured)):
        printed = cli("inspect", subject).stdout
        for hidden in ("payroll", "2026-11/", "extract", "cursor", "page"):
            assert hidden not in printed


def test_with_keys_the_address_and_the_size_after_each_layer_are_shown(cli, ref, configured):
    told = _told(cli, ref, "--verify")
    assert told["verified"] is True
    assert told["scope"] == {"dag_id": "payroll", "run_id": "2026-11", "task_id": "extract", "map_index": 3}
    assert told["key"] == "cursor"
    assert told["value_bytes"] == len('{"page":42}')
    assert [*told["sizes"]] == ["zstd", "padme", "cobblestone256", "chunk"]
    assert told["stored_bytes"] == _stored(configured).stat().st_size
    printed = cli("inspect", ref, "--keyring", "file:lamella.keyring").stdout
    assert "> cobblestone256" in printed
    assert "payroll" in printed


@pytest.mark.usefixtures("configured")
def test_name_shows_what_a_terminal_obeys_and_makes_no_line_or_field_of_its_own(cli):
    names = ("--dag", "a\x1b[2J\nverified      no", "--run", "b, task_id=c", "--task", "\u202ed", "--key", "k\r")
    ref = cli("put", "1", *names).stdout.strip()
    printed = cli("inspect", ref, "--verify").stdout
    assert all(each == "\n" or each.isprintable() for each in printed)
    assert [line for line in printed.splitlines() if line.startswith("verified")] == ["verified      yes"]
    assert r'dag_id="a\u001b[2J\nverified      no", run_id="b, task_id=c", task_id="\u202ed"' in printed
    assert _told(cli, ref, "--verify")["key"] == "k\r"


def test_inline_object_is_shown_from_its_ref(cli, configured):
    assert configured
    ref = cli("put", "1", *CURSOR, "--chain", "cobblestone256 | inline://").stdout.strip()
    told = _told(cli, ref)
    assert told["locator"] is None
    assert len(told["seals"]) == 1
    verified = _told(cli, ref, "--chain", "cobblestone256 | inline://")
    assert (verified["verified"], verified["stored_bytes"]) == (True, told["stored_bytes"])


def test_altered_object_does_not_verify(cli, ref, configured):
    path = _stored(configured)
    path.write_bytes(path.read_bytes()[:-1])
    cli("inspect", ref, "--verify", fails=IntegrityError)


def test_altered_ref_does_not_verify(cli, ref):
    cli("inspect", ref.replace("padme.1+", ""), "--verify", fails=RefTagError)


def test_ref_of_another_keyring_does_not_verify(cli, ref):
    cli("keygen", "--deployment", "prod", "--keyring", "file:other.keyring")
    cli("inspect", ref, "--keyring", "file:other.keyring", fails=KeyVersionNotFoundError)


def test_file_is_not_verified_without_its_ref(cli, ref, configured):
    assert ref
    assert "ref" in cli("inspect", _stored(configured), "--verify", fails=click.UsageError)


def test_file_that_is_no_object_is_refused(cli, configured):
    cli("inspect", configured / "lamella.toml", fails=IntegrityError)


def test_string_that_is_no_ref_is_refused(cli):
    cli("inspect", "lamella:1:x", fails=MalformedRefError)


def test_altered_ref_that_nobody_verified_is_not_called_genuine(cli, ref):
    said = cli("inspect", ref.replace(":task:", ":tusk:"), fails=MalformedRefError)
    assert "it was altered" in said
    assert "genuine" not in said


def test_impossible_time_in_an_unverified_header_is_shown_as_none(cli, ref, configured):
    path = _stored(configured)
    header, value = path.read_bytes(), _told(cli, path)["seals"][0]["sealed_at"]
    sealed_at = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z")
    milliseconds = (sealed_at - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
    path.write_bytes(header.replace(milliseconds.to_bytes(8, "big"), b"\xff" * 8, 1))
    assert ref
    assert _told(cli, path)["seals"][0]["sealed_at"] is None
