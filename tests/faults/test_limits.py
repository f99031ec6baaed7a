"""Every ceiling is held before the memory is spent, on the way in and on the way out."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from lamella.errors import ConfigError, LimitExceededError, ManifestRefusedError, StackOrderError
from lamella.limits import DEFAULT_LIMITS, Limits
from lamella.scope import Address, TaskScope
from lamella.testing import FaultyStore
from lamella.testing.payloads import noise
from lamella.testing.store_objects import locators
from lamella.wire.head import HeadRecord, pack_head, unpack_head
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore

ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
ORDER = "zstd | padme | cobblestone256 | chunk"

# 512 MiB of address space are enough for the libraries and a bounded read, and too few for what the frames declare.
BOMBS = """
import io, resource, sys, warnings
import zstandard
from lamella.errors import LamellaError
from lamella.keys.keyring import Keyring
from lamella.limits import Limits
from lamella.policy import Policy
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella.wire.envelope import HEAD, WHOLE, Header, pack_header
from lamella.wire.head import HeadRecord, pack_head
from lamella_layers.store.memory import MemoryStore

warnings.simplefilter("ignore")
layer = installed_registry().layer
plain = Policy(allow_plaintext=True)
address = Address(TaskScope("dag", "run", "task"), "key")
keyring = Keyring.ephemeral()


def run(frame):
    return len(frame).to_bytes(4, "big") + frame


def frame(content):
    return zstandard.ZstdCompressor(level=3).compress(content)


zeros = frame(bytes(2**20))
claims_much = bytes.fromhex("28b52ffde0") + (2**40).to_bytes(8, "little")
bombs = {
    "a frame that declares a tebibyte": run(claims_much),
    "frames that unpack to four gibibytes": run(zeros) * 4096 + bytes(4),
    "a frame of 200 MiB": run(frame(bytes(200 * 2**20))) + bytes(4),
    "a run that claims two gibibytes": (2**31 - 1).to_bytes(4, "big") + b"x",
}
head = pack_head(HeadRecord(bytes(16), 131_072, 2**50))
layers = {
    "zstd.1": [layer("zstd")()],
    "zstd.1+zstd.1": [layer("zstd")()] * 2,
    "zstd.1+padme.1": [layer("zstd")(), layer("padme")()],
}
limits = Limits(max_value_bytes=64 * 2**20, max_stream_bytes=128 * 2**20)
resource.setrlimit(resource.RLIMIT_AS, (512 * 2**20, 512 * 2**20))
refused = 0
for manifest, order in layers.items():
    stack = Stack(order, MemoryStore(), keyring, policy=plain, limits=limits)
    locator = stack.engine.place(address).head
    for name, bomb in bombs.items():
        payload = bomb if manifest == "zstd.1" else run(frame(bomb[: 2**20])) + bytes(4)
        if manifest.endswith("padme.1"):
            payload = layer("padme")().encode_whole(bomb[: 2**20], None)
        for shape, body in ((WHOLE, payload), (HEAD, payload), (HEAD, head)):
            stack.engine.store.put(locator, (pack_header(shape, manifest), body))
            for read in (lambda: stack.get_at(address), lambda: stack.get_into(ref, io.BytesIO())):
                ref = stack.engine.ref(stack.engine.place(address), None)
                try:
                    read()
                except LamellaError as error:
                    refused += 1
                else:
                    sys.exit(f"{name} was read")
print(refused)
"""


def test_bombs_are_refused_within_512_mib_through_the_whole_read_path():
    run = subprocess.run([sys.executable, "-c", BOMBS], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert int(run.stdout) == 3 * 4 * 3 * 2


def test_value_above_its_ceiling_reaches_no_store(build):
    store = FaultyStore(MemoryStore())
    stack = build(ORDER, store, limits=Limits(max_value_bytes=1000))
    stack.put(ADDRESS, "x" * 998)
    store.calls.clear()
    with pytest.raises(LimitExceededError, match="use put_stream and get_into"):
        stack.put(ADDRESS, "x" * 999)
    assert store.calls == []
    assert stack.get_at(ADDRESS) == "x" * 998


@pytest.mark.parametrize("size_bytes", [2000, 2_000_000])
def test_stored_value_above_the_reader_s_ceiling_is_refused(build, size_bytes):
    store = MemoryStore()
    ref = build(ORDER, store).put(ADDRESS, noise(size_bytes).hex())
    with pytest.raises(LimitExceededError, match="max_value_bytes"):
        build(ORDER, store, limits=Limits(max_value_bytes=1000)).get(ref)


def test_refusal_of_a_large_value_names_no_other_ceiling_than_the_configured_one(build):
    store = MemoryStore()
    ref = build(ORDER, store).put(ADDRESS, "a" * 400_000)
    with pytest.raises(LimitExceededError, match=r"which is above limits\.max_value_bytes; use put_stream"):
        build(ORDER, store, limits=Limits(max_value_bytes=1000)).get(ref)


@pytest.mark.parametrize("order", [ORDER, "cobblestone256"])
def test_stream_above_its_ceiling_leaves_the_old_value(build, order):
    store = MemoryStore()
    stack = build(order, store, limits=Limits(max_stream_bytes=200_000))
    stack.put_stream(ADDRESS, [noise(200_000)])
    before = locators(store)

    def endless():
        while True:
            yield noise(70_000)

    with pytest.raises(LimitExceededError, match="max_stream_bytes"):
        stack.put_stream(ADDRESS, endless())
    assert locators(store) == before


@pytest.mark.parametrize("target", [io.BytesIO, None])
def test_stored_stream_above_the_reader_s_ceiling_leaves_the_target(build, tmp_path, target):
    store = MemoryStore()
    ref = build(ORDER, store).put_stream(ADDRESS, [noise(200_000)])
    where = target() if target else tmp_path / "target"
    with pytest.raises(LimitExceededError, match="max_stream_bytes"):
        build(ORDER, store, limits=Limits(max_stream_bytes=199_999)).get_into(ref, where)
    assert list(tmp_path.iterdir()) == []
    assert target is None or where.getvalue() == b""


def test_more_parts_than_the_ceiling_are_neither_written_nor_read(build):
    store = MemoryStore()
    few = build("cobblestone256 | chunk", store, limits=Limits(max_parts=2))
    with pytest.raises(LimitExceededError, match="max_parts"):
        few.put_stream(ADDRESS, [noise(200_000)])
    assert locators(store) == []
    ref = build("cobblestone256 | chunk", store).put_stream(ADDRESS, [noise(200_000)])
    with pytest.raises(LimitExceededError, match=r"the value has 4 parts, limits\.max_parts is 2"):
        few.get_into(ref, io.BytesIO())
    few.put_stream(ADDRESS, [b"small"])
    few.delete(ADDRESS)
    assert locators(store) == []


def test_head_that_names_more_parts_than_bytes_is_no_head():
    for head in (HeadRecord(bytes(16), 0, 0), HeadRecord(bytes(16), 9, 8), HeadRecord(bytes(15), 1, 1)):
        with pytest.raises(Exception, match="integrity"):
            unpack_head(pack_head(head), DEFAULT_LIMITS)


@pytest.mark.parametrize("put", ["put", "put_stream"])
def test_value_too_large_for_its_ref_names_a_store_that_would_hold_it(build, put):
    stack = build("cobblestone256", InlineStore(), limits=Limits(max_inline_bytes=4096))
    value = "x" * 5000 if put == "put" else [noise(2_000_000)]
    with pytest.raises(LimitExceededError, match=r"sqlite:///state\.db"):
        getattr(stack, put)(ADDRESS, value)
    assert stack.get(stack.put(ADDRESS, "x" * 3000)) == "x" * 3000


def test_names_too_long_for_the_payload_are_refused(build):
    address = Address(TaskScope(*["\U0001f512" * 4096] * 3), "\U0001f512" * 4096)
    with pytest.raises(LimitExceededError, match="65,535"):
        build(ORDER).put(address, 1)


def test_manifest_of_too_many_layers_is_neither_built_nor_read(build):
    with pytest.raises(StackOrderError, match="max_layers"):
        build(" | ".join(["zstd"] * 4), limits=Limits(max_layers=3))
    store = MemoryStore()
    build(" | ".join(["zstd"] * 4), store).put(ADDRESS, 1)
    with pytest.raises(ManifestRefusedError, match="max_layers"):
        build("zstd", store, limits=Limits(max_layers=3)).get_at(ADDRESS)


def test_ratio_above_the_ceiling_is_refused_on_the_way_out(build):
    store = MemoryStore()
    ref = build("zstd | cobblestone256", store).put(ADDRESS, "x" * 100_000)
    with pytest.raises(LimitExceededError, match="max_ratio"):
        build("zstd | cobblestone256", store, limits=Limits(max_ratio=10)).get(ref)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "1", None])
def test_ceiling_that_refuses_everything_is_a_config_error(wrong):
    with pytest.raises(ConfigError, match=r"limits\.max_parts"):
        Limits(max_parts=wrong)
