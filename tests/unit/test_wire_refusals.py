"""Bytes and settings that few properties happen to draw, one refusal each."""

from __future__ import annotations

import pytest

from lamella.errors import ConfigError, IntegrityError, LimitExceededError
from lamella.limits import DEFAULT_LIMITS, Limits
from lamella.scope import Address, TaskScope
from lamella.wire.codec import dump_json, load_json
from lamella.wire.head import HeadRecord, pack_head, unpack_head
from lamella.wire.lead import Lead
from lamella.wire.record import pack_record

ADDRESS = Address(TaskScope("dag", "run", "task"), "key")


@pytest.mark.parametrize(
    "fields",
    [
        ["task", ["dag_id"], -1, "key"],
        ["task", ["dag_id", "d", "run_id", "r"], -1, "key"],
        ["task", ["dag_id", "d", "run_id", "r", "task_id", "t"], -2, "key"],
        ["task", ["run_id", "r", "dag_id", "d", "task_id", "t"], -1, "key"],
        ["cron", ["dag_id", "d", "run_id", "r", "task_id", "t"], -1, "key"],
        ["asset", ["asset_id", "01"], -1, "key"],
        ["asset", ["asset_id", "seven"], -1, "key"],
        ["asset", ["name", "a"], 0, "key"],
        ["asset", ["name", "a", "uri", "b"], -1, "key"],
        ["asset", [], -1, "key"],
        ["asset", ["name", "x" * 5000], -1, "key"],
        ["asset", ["name", "a"], -1, "key", 0],
    ],
)
def test_record_that_no_address_packs_to_is_damage(fields):
    with pytest.raises(IntegrityError):
        Lead(0, pack_record(fields)).address()


def test_number_spelled_longer_than_it_need_be_is_damage():
    packed = pack_head(HeadRecord(bytes(16), 1, 1))
    assert unpack_head(packed, DEFAULT_LIMITS) == HeadRecord(bytes(16), 1, 1)
    with pytest.raises(IntegrityError):
        unpack_head(packed[:-1] + b"\xcc\x01", DEFAULT_LIMITS)


def test_integer_of_more_digits_than_this_python_reads_is_no_damage():
    with pytest.raises(LimitExceededError, match="digits"):
        load_json(b"9" * 5000)


def test_manifest_too_long_for_a_ref_is_refused_when_the_stack_is_built(build):
    with pytest.raises(ConfigError, match=r"limits\.max_ref_chars is 100"):
        build("zstd", limits=Limits(max_ref_chars=100))


def test_device_is_written_into_and_never_replaced(build, tmp_path):
    stack = build("cobblestone256")
    ref = stack.put_stream(ADDRESS, b"whole bytes are a source, too")
    assert stack.get_into(ref, "/dev/null") == 29
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    assert stack.get_into(ref, link) == 29
    assert link.is_symlink()
    assert (tmp_path / "file").read_bytes() == b"whole bytes are a source, too"


def test_shared_containers_count_as_often_as_they_would_be_written():
    value = [0]
    for _ in range(40):
        value = [value, value]
    with pytest.raises(LimitExceededError):
        dump_json(value, Limits(max_value_bytes=1024 * 1024))
