"""The command as it is installed: its exit codes, and what an error shows."""

from __future__ import annotations

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import sysconfig
from contextlib import closing, suppress
from pathlib import Path

import click
import pytest

from lamella import errors
from lamella.cli.main import exit_code, lamella

TASK = ("--dag", "payroll", "--run", "2026-11", "--task", "extract")
CURSOR = (*TASK, "--key", "cursor")
CLI_PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def _all_errors(root=errors.LamellaError):
    return {root}.union(*map(_all_errors, root.__subclasses__()))


def _fails(result, code):
    assert result.returncode == code, result
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    return result.stderr


@pytest.fixture
def ref(configured, shell):
    """Give the ref of a stored value."""
    assert configured
    return shell("put", '"canary"', *CURSOR).stdout.strip()


def test_done_is_0(ref, shell):
    result = shell("get", ref)
    assert (result.returncode, result.stdout, result.stderr) == (0, '"canary"\n', "")


def test_file_that_cannot_be_written_is_1(ref, shell):
    assert "missing" in _fails(shell("get", ref, "--output", "missing/copy"), 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("get",),
        ("put", "1"),
        (),
        ("get", "--nonsense"),
        ("put", *CURSOR, "--file", "missing"),
        ("put", *CURSOR, "--stream", "missing"),
        ("get", "lamella:1:x", "--output", "."),
        ("key", "promote", "0123"),
        ("key", "destroy", "0123456789abcdef"),
    ],
)
def test_command_line_that_cannot_work_is_2_and_its_sentence_ends_before_the_way_to_help(shell, arguments):
    assert re.search(r"[.?] See `lamella.* --help`$", _fails(shell(*arguments), 2).strip())


def test_configuration_that_cannot_work_is_2(shell):
    _fails(shell("get", "lamella:1:x"), 2)


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    "arguments",
    [
        ("get", "lamella:1:x"),
        ("put", "canary", *CURSOR),
        ("put", "1" * 5000, *CURSOR),
        ("delete", *TASK, "--key", "k" * 5000),
    ],
    ids=["ref", "value", "number", "address"],
)
def test_bad_input_is_3(shell, arguments):
    assert "canary" not in _fails(shell(*arguments), 3)


def test_missing_object_is_4(ref, shell):
    shell("delete", *CURSOR)
    _fails(shell("get", ref), 4)


def test_altered_object_is_5(ref, shell, objects):
    (stored,) = objects()
    altered = bytearray(stored.read_bytes())
    altered[-1] ^= 1
    stored.write_bytes(altered)
    assert "canary" not in _fails(shell("get", ref), 5)


def test_missing_keyring_is_6(ref, shell, configured):
    (configured / "lamella.keyring").unlink()
    _fails(shell("get", ref), 6)


@pytest.mark.usefixtures("configured")
def test_passed_limit_is_7(shell):
    _fails(shell("put", '"canary"', *CURSOR, environ={"LAMELLA__LIMITS__MAX_VALUE_BYTES": "3"}), 7)


def test_failed_store_is_8(shell, configured):
    (configured / "file").touch()
    _fails(shell("put", "1", *CURSOR, "--chain", "cobblestone256 | directory://file"), 8)


def test_store_that_does_not_answer_is_75(shell, configured):
    chain = "cobblestone256 | sqlite:///state.db?busy_timeout_ms=0"
    shell("put", "1", *CURSOR, "--chain", chain)
    with closing(sqlite3.connect(configured / "state.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        _fails(shell("put", "2", *CURSOR, "--chain", chain), 75)


@pytest.mark.usefixtures("configured")
def test_error_in_json_names_its_class_and_whether_to_try_again(shell):
    for arguments in (("--json", "get", "lamella:1:x"), ("get", "lamella:1:x", "--json")):
        told = json.loads(shell(*arguments).stderr)
        assert told.pop("message")
        assert told == {"error": "MalformedRefError", "transient": False}


def test_every_error_has_a_documented_exit_code():
    documented = set(map(int, re.findall(r"^\| ([0-9]+) \|", CLI_PAGE.read_text(), re.MULTILINE)))
    found = {exit_code(kind("")) for kind in _all_errors() - {errors.LamellaError, errors.StackWarning}}
    assert found | {0, 1, 9} == documented
    assert exit_code(errors.LamellaError("")) == 1


def test_transient_errors_and_no_others_are_75():
    for kind in _all_errors():
        assert (exit_code(kind("")) == os.EX_TEMPFAIL) == kind.transient


def test_every_verb_and_option_is_documented_on_the_page_and_in_the_help():
    page = CLI_PAGE.read_text()
    context = click.Context(lamella)
    for verb in lamella.list_commands(context):
        command = lamella.get_command(context, verb)
        assert f"## {verb}\n" in page
        for each in command.commands.values() if isinstance(command, click.Group) else [command]:
            shown = [param for param in each.params if isinstance(param, click.Option) and not param.hidden]
            assert [param.name for param in shown if not param.help] == [], f"{verb} {each.name}"
            for name in [name for param in shown for name in param.opts]:
                assert f"`{name}" in page, f"{verb} {name}"


def test_help_lists_every_verb(shell):
    printed = shell("--help").stdout
    for verb in lamella.list_commands(click.Context(lamella)):
        assert re.search(rf"^  {verb} ", printed, re.MULTILINE)
        assert shell(verb, "--help").returncode == 0


def test_version_is_that_of_the_distribution(shell):
    assert re.fullmatch(r"lamella [0-9]+\.[0-9]+\.[0-9]+\n", shell("--version").stdout)


@pytest.mark.usefixtures("configured")
def test_value_is_stored_and_read_without_importing_rich(empty_folder):
    code = (
        "import sys; from lamella.cli.main import lamella; "
        f"lamella.main(['put', '1', *{list(CURSOR)!r}], standalone_mode=False); "
        "lamella.main(['--help'], standalone_mode=False); sys.exit('rich' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=empty_folder, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_defect_shows_its_place_and_no_value(flags):
    code = (
        "from lamella.cli import main\n"
        "def fail(**_): raise RuntimeError('canary')\n"
        "main.lamella.main = fail\n"
        "main.main()\n"
    )
    result = subprocess.run([sys.executable, "-c", code, *flags], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "RuntimeError" in result.stderr
    assert "line 2" in result.stderr
    assert "canary" not in result.stderr
    assert "Traceback" not in result.stderr
    assert not flags or json.loads(result.stderr)["error"] == "RuntimeError"


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_interruption_says_the_same_while_the_command_is_imported_and_while_it_runs(flags):
    code = (
        "import signal, sys\n"
        "class Finder:\n"
        "    def find_spec(name, *_):\n"
        "        if name == module: signal.raise_signal(signal.SIGINT)\n"
        "module = sys.argv.pop(1)\n"
        "sys.meta_path.insert(0, Finder)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from lamella.__main__ import main\n"
        "main()\n"
    )
    told = []
    for module in ("click", "lamella.cli.demo"):
        command = [sys.executable, "-c", code, module, "demo", *flags]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout) == (1, "")
        told.append(json.loads(result.stderr) if flags else result.stderr.strip())
    assert told[0] == told[1]


def test_reader_that_closes_the_pipe_is_no_error_to_tell(configured, shell):
    (configured / "value").write_text(json.dumps("x" * 1_000_000))
    ref = shell("put", "--file", "value", *CURSOR).stdout.strip()
    command = [Path(sysconfig.get_path("scripts")) / "lamella", "get", ref]
    with subprocess.Popen(command, cwd=configured, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "closed", "told"),
    [
        (("put", "-", *CURSOR), "<&-", "the standard input: "),
        (("put", "--stream", "-", *CURSOR), "<&-", "the standard input: "),
        (("put", "--file", "-", *CURSOR), "<&-", "the standard input: "),
        (("clear", *CURSOR[:-2]), "<&-", "the standard input: "),
        (("put", "1", *CURSOR), ">&-", "the standard output: "),
        (("key", "list"), ">&-", "the standard output: "),
    ],
)
def test_stream_that_the_caller_closed_is_named_and_nothing_is_stored(configured, arguments, closed, told):
    command = ["sh", "-c", f'exec "$0" "$@" {closed}', Path(sysconfig.get_path("scripts")) / "lamella", *arguments]
    ended = subprocess.run(command, cwd=configured, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert f"error: {told}" in ended.stderr
    assert not (configured / "objects" / "o1").exists()


def test_closed_standard_input_is_no_error_where_nobody_reads_it(configured):
    command = ["sh", "-c", 'exec "$0" "$@" <&-', Path(sysconfig.get_path("scripts")) / "lamella", "put", "1", *CURSOR]
    assert subprocess.check_output(command, cwd=configured).startswith(b"lamella:1:")


def test_closed_standard_error_hinders_nothing_that_would_show_progress_on_it(configured):
    (configured / "stream").write_bytes(b"bytes")
    command = ["sh", "-c", 'exec "$0" "$@" 2>&-', Path(sysconfig.get_path("scripts")) / "lamella"]
    ref = subprocess.check_output([*command, "put", "--stream", "stream", *CURSOR], cwd=configured, text=True).strip()
    assert subprocess.check_output([*command, "get", ref, "--output", "-"], cwd=configured) == b"bytes"


def test_progress_bar_appears_on_a_terminal_and_not_beside_the_ref(configured):
    (configured / "stream").write_bytes(bytes(5_000_000))
    leader, follower = pty.openpty()
    command = [Path(sysconfig.get_path("scripts")) / "lamella", "put", "--stream", "stream", *CURSOR]
    with subprocess.Popen(command, cwd=configured, stdout=subprocess.PIPE, stderr=follower) as process:
        os.close(follower)
        shown = b""
        # The kernel ends the terminal with an error when the process closes it.
        with suppress(OSError):
            while piece := os.read(leader, 4096):
                shown += piece
        printed = process.stdout.read()
    os.close(leader)
    assert b"storing" in shown
    assert b"5.0/5.0 MB" in shown
    assert printed.startswith(b"lamella:1:")
    assert b"\x1b" not in printed
