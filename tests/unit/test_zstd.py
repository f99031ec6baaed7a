"""The zstd layer: runs and frames that it writes, and bombs and forgeries that it refuses."""

from __future__ import annotations

import os
import random  # noqa: TID251 - seeded, so that every run tries the same letters
import struct
import subprocess
import sys
import threading
from itertools import pairwise

import pytest
import zstandard

from lamella.errors import ConfigError, IntegrityError, LimitExceededError
from lamella.limits import SEGMENT_BYTES, Limits
from lamella.testing import layer_context
from lamella_layers.compress import zstd
from lamella_layers.compress.zstd import Zstd

RAW = 1 << 31
LINE = b'{"level": "INFO", "message": "the task has started", "try_number": 1}\n'


def encoded(*segments, layer=None, max_ratio=32_768):
    return list((layer or Zstd()).encode(iter(segments), context(max_ratio)))


def decoded(*segments, max_ratio=32_768):
    return b"".join(Zstd().decode(iter(segments), context(max_ratio)))


def context(max_ratio):
    return layer_context(Zstd(), limits=Limits(max_ratio=max_ratio))


def runs(payload):
    """Take a payload apart into pairs of word and body."""
    found, start = [], 0
    while word := struct.unpack_from(">I", payload, start)[0]:
        end = start + 4 + word % RAW
        found.append((word, payload[start + 4 : end]))
        start = end
    assert start + 4 == len(payload)
    return found


def payload_of(frame, word=None):
    return struct.pack(">I", len(frame) if word is None else word) + frame + bytes(4)


def frame_of(plain, **options):
    return zstandard.ZstdCompressor(**options).compress(plain)


@pytest.mark.parametrize("level", [-8, 20, 22, 3.0, "3", True, None])
def test_level_out_of_range_is_refused_when_built(level):
    with pytest.raises(ConfigError, match="level must be a whole number from -7 to 19"):
        Zstd(level=level)


@pytest.mark.parametrize("level", [-7, 0, 1, 19])
def test_every_level_is_decoded_by_the_same_layer(level):
    plain = LINE * 3000 + os.urandom(1000)
    payload = b"".join(encoded(plain, layer=Zstd(level=level)))
    assert len(payload) < len(plain)
    assert decoded(payload) == plain


def test_level_is_no_part_of_the_manifest():
    assert Zstd(level=19).entry() == Zstd().entry()


def test_empty_payload_is_the_zero_word():
    assert encoded() == [bytes(4)]
    assert encoded(b"", b"") == [bytes(4)]


@pytest.mark.parametrize("plain", [b"x", LINE * 3, os.urandom(200)], ids=["tiny", "text", "noise"])
def test_small_payload_is_one_segment(plain):
    assert len(encoded(plain)) == 1


@pytest.mark.parametrize("size", [1, 200, 65_536, 300_000, SEGMENT_BYTES])
def test_payload_that_does_not_shrink_stays_raw(size):
    plain = os.urandom(size)
    assert runs(b"".join(encoded(plain))) == [(RAW | size, plain)]


def test_long_raw_segment_is_handed_on_uncopied():
    plain = os.urandom(SEGMENT_BYTES)
    assert any(segment is plain for segment in encoded(plain))


@pytest.mark.parametrize("size", [150, 300, 500])
def test_length_of_a_short_run_hardly_depends_on_one_more_letter_guessed_right(size):
    draw = random.Random(size)
    secret = bytes(draw.choices(b"0123456789abcdef", k=40))
    noise = bytes(draw.choices(b"0123456789abcdef", k=size))
    lengths = [len(b"".join(encoded((secret + noise)[: size - right] + secret[:right]))) for right in range(41)]
    assert max(abs(one - other) for one, other in pairwise(lengths)) <= 8


def test_sample_decides_before_a_long_segment_is_compressed(monkeypatch):
    sizes = []

    class Spies(zstd._Compressors):
        def __getitem__(self, level):
            found = super().__getitem__(level)
            return type("", (), {"compress": lambda _, plain: sizes.append(len(plain)) or found.compress(plain)})()

    monkeypatch.setattr(zstd._contexts, "compressors", Spies())
    encoded(os.urandom(300_000))
    assert sizes == [65_536]
    sizes.clear()
    encoded(LINE * 5000)
    assert sizes == [65_536, len(LINE) * 5000]
    sizes.clear()
    encoded(os.urandom(200_000))
    assert sizes == [200_000]


def test_long_segment_is_cut_into_runs_of_a_mebibyte():
    plain = (LINE * 60_000)[: 3 * SEGMENT_BYTES + 5]
    sizes = [zstandard.frame_content_size(body) for word, body in runs(b"".join(encoded(plain))) if word < RAW]
    assert sizes[:3] == [SEGMENT_BYTES] * 3
    assert decoded(b"".join(encoded(plain))) == plain


def test_small_segments_are_compressed_together():
    lines = [LINE] * 20_000
    together = runs(b"".join(encoded(*lines)))
    assert len(together) == 2
    assert decoded(b"".join(encoded(*lines))) == b"".join(lines)


def test_small_segments_before_a_long_one_keep_their_place():
    segments = [b"first", b"second", LINE * 2000, b"third"]
    payload = b"".join(encoded(*segments))
    assert len(runs(payload)) == 3
    assert decoded(payload) == b"".join(segments)


def test_what_the_ratio_limit_would_refuse_is_written_raw():
    plain = bytes(SEGMENT_BYTES)
    assert runs(b"".join(encoded(plain, max_ratio=1000))) == [(RAW | SEGMENT_BYTES, plain)]
    assert decoded(*encoded(plain, max_ratio=1000), max_ratio=1000) == plain


def test_frame_above_the_ratio_limit_is_refused():
    payload = payload_of(frame_of(bytes(SEGMENT_BYTES)))
    assert decoded(payload) == bytes(SEGMENT_BYTES)
    with pytest.raises(LimitExceededError, match=r"max_ratio = 1000 allows") as refused:
        decoded(payload, max_ratio=1000)
    assert refused.value.layer == "zstd"


def streamed_frame(plain):
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(plain) + compressor.flush()


def frame_with_dictionary():
    samples = [LINE.replace(b"1", str(number).encode()) * 3 for number in range(500)]
    return frame_of(samples[7], dict_data=zstandard.train_dictionary(4096, samples))


def frame_with_window(log):
    """Build a frame header of a 16 MiB window by hand: 4 bytes of content size, no single segment, one raw block."""
    return zstandard.FRAME_HEADER + bytes([0x80, (log - 10) << 3]) + struct.pack("<I", 3) + b"\x19\0\0abc"


GOOD = frame_of(LINE)
SKIPPABLE = struct.pack("<II", 0x184D2A50, 4) + b"skip"
REFUSED = {
    "no payload": b"",
    "a frame of unknown size": payload_of(streamed_frame(LINE)),
    "a frame of no content": payload_of(frame_of(b"")),
    "a frame above a run": payload_of(frame_of(bytes(SEGMENT_BYTES + 1))),
    "a frame with a dictionary": payload_of(frame_with_dictionary()),
    "a frame with a window above the limit": payload_of(frame_with_window(24)),
    "a skippable frame": payload_of(SKIPPABLE),
    "a skippable frame before the frame": payload_of(SKIPPABLE + GOOD),
    "a byte after the frame": payload_of(GOOD + b"x"),
    "a second frame": payload_of(GOOD + GOOD),
    "a cut frame": payload_of(GOOD[:-1]),
    "a frame that claims more than it holds": payload_of(GOOD.replace(bytes([len(LINE)]), bytes([len(LINE) + 1]), 1)),
    "a frame that claims less than it holds": payload_of(GOOD.replace(bytes([len(LINE)]), bytes([len(LINE) - 1]), 1)),
    "no frame": payload_of(b"not a frame at all"),
    "a frame shorter than a header": payload_of(GOOD[:3]),
    "no end word": payload_of(GOOD)[:-4],
    "half an end word": payload_of(GOOD)[:-2],
    "a byte after the end": payload_of(GOOD) + b"\0",
    "a raw run of no bytes": payload_of(b"", RAW),
    "a raw run above a mebibyte": payload_of(bytes(SEGMENT_BYTES + 1), RAW | SEGMENT_BYTES + 1),
    "a raw run that is cut": payload_of(b"abc", RAW | 8),
    "a frame run above its limit": payload_of(b"", 2 * SEGMENT_BYTES + 1),
}


@pytest.mark.parametrize("payload", [pytest.param(payload, id=name) for name, payload in REFUSED.items()])
def test_payload_that_the_layer_never_writes_is_refused(payload):
    with pytest.raises(IntegrityError) as refused:
        decoded(payload)
    assert refused.value.layer == "zstd"


def test_hand_made_frames_are_refused_for_the_window_alone():
    assert decoded(payload_of(frame_with_window(23))) == b"abc"


@pytest.mark.parametrize("word", [2 * SEGMENT_BYTES, RAW | SEGMENT_BYTES], ids=["a frame", "raw bytes"])
def test_claimed_length_is_not_held_before_its_bytes_come(word):
    with pytest.raises(IntegrityError):
        decoded(struct.pack(">I", word), b"few")


BOMBS = """
import resource, struct, sys
import zstandard
from lamella.errors import IntegrityError
from lamella.limits import DEFAULT_LIMITS
from lamella.protocols.layer import LayerContext
from lamella_layers.compress.zstd import Zstd

frame = sys.stdin.buffer.read()
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
try:
    zstandard.ZstdDecompressor().decompress(frame, max_output_size=2**20)
except (MemoryError, zstandard.ZstdError):
    print("a bomb")
payload = struct.pack(">I", len(frame)) + frame + bytes(4)
try:
    list(Zstd().decode(iter([payload]), LayerContext(0, DEFAULT_LIMITS, None, None)))
except IntegrityError:
    print("refused")
"""


@pytest.mark.parametrize(
    "frame",
    [frame_of(bytes(200 * SEGMENT_BYTES)), zstandard.FRAME_HEADER + b"\xe0" + struct.pack("<Q", 2**40)],
    ids=["200 MiB of zeros in few bytes", "an absurd size in 13 bytes"],
)
def test_bomb_is_refused_before_memory_is_spent(frame):
    assert len(frame) < 7000
    done = subprocess.run([sys.executable, "-c", BOMBS], input=frame, capture_output=True, check=False, timeout=60)
    assert (done.stdout.split(b"\n")[:-1], done.stderr, done.returncode) == ([b"a bomb", b"refused"], b"", 0)


THREADS = """
import threading, time
from lamella.testing import layer_context
from lamella_layers.compress.zstd import Zstd

layer = Zstd()
plain = b"".join(b"%d line of the log " % number for number in range(4000))
end = time.monotonic() + 3
failures = []

def work():
    while time.monotonic() < end:
        context = layer_context(layer)
        if b"".join(layer.decode(layer.encode(iter([plain]), context), context)) != plain:
            failures.append(1)

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
raise SystemExit(len(failures))
"""


def test_four_threads_share_one_layer_for_three_seconds():
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


FORK = """
import os, sys
from lamella.testing import layer_context
from lamella_layers.compress import zstd

def round_trip():
    layer, plain = zstd.Zstd(), b"a line of the log " * 500
    context = layer_context(layer)
    return b"".join(layer.decode(layer.encode(iter([plain]), context), context)) == plain

assert round_trip()
before = zstd._contexts.compressors[3], zstd._contexts.decompressor
child = os.fork()
if child == 0:
    after = zstd._contexts.compressors[3], zstd._contexts.decompressor
    os._exit(0 if round_trip() and before[0] is not after[0] and before[1] is not after[1] else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_forked_child_uses_contexts_of_its_own():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_threads_have_contexts_of_their_own():
    seen = []

    def look():
        seen.append((zstd._contexts.compressors[3], zstd._contexts.decompressor))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    look()
    assert seen[0][0] is not seen[1][0]
    assert seen[0][1] is not seen[1][1]
    look()
    assert seen[2] == seen[1]
