"""Vectors of the layers zstd, padme and chunk."""

from __future__ import annotations

from layer_bytes import (
    END,
    MAGIC,
    MIB,
    RAW,
    RAW_BLOCK,
    REPEATED_BLOCK,
    frame,
    frame_of,
    padded_size,
    padme,
    told,
    word,
)

ROWS = (
    '{"rows":['
    + ",".join(f'{{"id":{i},"state":"{"done" if i % 3 else "open"}","weight":{i / 4}}}' for i in range(24))
    + "]}"
).encode()
# Two frames of libzstd 1.5.7 at level 3, the second with a checksum: what no code here can make.
ROWS_FRAME = bytes.fromhex(
    "28b52ffd609c026d06006246151990b7395c0d216373f69595cfffb9db46ac943229225fffa0048da0c974cf3ffd4447030b4c48e4e1f97cdf"
    "375e24134e63bae757c20e9f0601906a2b1090b5f434590656d5d5064de941aa075226a0aa2cec50263d203063a67a138008665aed2686d83a"
    "f0c68e8dbbb591c1bce4a6713d6c87635ed2a971b71ef61971027862d6453ae0ce660fbf9893c9c637bbf5c5b04d0de18b3d4d61aed96d2f86"
    "bd34a4837d3666c9379827145e26ccbbddac215997c1c6b46eb6596a21f309e0d502c24d5fecd0ed6b34d432"
)
CHECKED_FRAME = bytes.fromhex("28b52ffd6440007d000040636865636b656420010035530b171af04ad2")
WINDOWED = 0x80
WINDOW_8_MIB, WINDOW_9_MIB = b"\x68", b"\x69"
BLOCK_BYTES = 128 * 1024
PLAIN = b"a plain run"
PLAIN_BLOCK = RAW_BLOCK, PLAIN, len(PLAIN)
RAW_RUN = word(RAW | len(PLAIN)) + PLAIN
A_MIB = [(REPEATED_BLOCK, b"\xa5", BLOCK_BYTES)] * 7 + [(REPEATED_BLOCK, b"\xa5", BLOCK_BYTES)]


def framed(made):
    return word(len(made)) + made


def sized(descriptor, size):
    """Return the frame of the plain run whose content size has that spelling."""
    return MAGIC + bytes([descriptor]) + size + (len(PLAIN) << 3 | 1).to_bytes(3, "little") + PLAIN


def stretched(empty_blocks):
    """Return the run of a frame of one byte of content behind many empty blocks, 17 bytes more than these."""
    start = MAGIC + b"\xe0" + (1).to_bytes(8, "little")
    return word(17 + 3 * empty_blocks) + start, (bytes(3), empty_blocks), b"\x09\x00\x00a"


def accept_zstd():
    windowed = frame_of([PLAIN_BLOCK], len(PLAIN), WINDOWED, WINDOW_8_MIB)
    cases = {
        "empty": ([], []),
        "raw_run": ([RAW_RUN], [PLAIN]),
        "raw_run_of_one_byte": ([word(RAW | 1), b"\x00"], [b"\x00"]),
        "longest_raw_run": ([word(RAW | MIB), (b"\xa5", MIB)], [(b"\xa5", MIB)]),
        "frame": ([framed(frame(PLAIN + b"a" * 99))], [PLAIN, (b"a", 99)]),
        "several_runs": ([framed(frame(b"a" * 99)), RAW_RUN * 2, framed(frame(b"b"))], [b"a" * 99, PLAIN * 2, b"b"]),
        "compressed_block": ([framed(ROWS_FRAME)], [ROWS]),
        "checksum": ([framed(CHECKED_FRAME)], [(b"checked ", 40)]),
        "largest_content": ([framed(frame_of(A_MIB, MIB))], [(b"\xa5", MIB)]),
        "largest_window": ([framed(windowed)], [PLAIN]),
        "content_size_in_1_byte": ([framed(sized(0x20, b"\x0b"))], [PLAIN]),
        "content_size_in_8_bytes": ([framed(sized(0xE0, b"\x0b" + bytes(7)))], [PLAIN]),
        "dictionary_id_zero": ([framed(sized(0x21, b"\x00\x0b"))], [PLAIN]),
        "longest_frame": (stretched((2 * MIB - 17) // 3), [b"a"]),
    }
    for name, (encoded, plain) in cases.items():
        yield name, {"encoded": told(*encoded, END), "plain": told(*plain)}


def reject_zstd():
    good = framed(frame(PLAIN))
    big = [*A_MIB[:-1], (REPEATED_BLOCK, b"\xa5", BLOCK_BYTES), (RAW_BLOCK, b"a", 1)]
    cases = {
        ("cut", "empty"): [b""],
        ("cut", "in_a_word"): [END[:3]],
        ("cut", "in_a_raw_run"): [RAW_RUN[:-1]],
        ("cut", "no_end_word"): [good],
        ("trailing", "one_byte"): [good, END, b"\x00"],
        ("trailing", "one_more_end_word"): [good, END, END],
        ("trailing", "one_more_run"): [good, END, good, END],
        ("run-length", "raw_of_no_byte"): [word(RAW), END],
        ("run-length", "raw_of_more_than_1_mib"): [word(RAW | MIB + 1), (b"\xa5", MIB + 1), END],
        ("run-length", "frame_of_more_than_2_mib"): [*stretched((2 * MIB - 17) // 3 + 1), END],
        ("window", "9_mib"): framed_and_ended(frame_of([PLAIN_BLOCK], len(PLAIN), WINDOWED, WINDOW_9_MIB)),
        ("dictionary", "id_7"): framed_and_ended(sized(0x21, b"\x07\x0b")),
        ("ratio", "1_mib_from_13_bytes"): framed_and_ended(frame_of(A_MIB[-1:], MIB)),
        ("content-size", "unknown"): framed_and_ended(sized(0x00, WINDOW_8_MIB)),
        ("content-size", "zero"): framed_and_ended(frame(b"")),
        ("content-size", "1_mib_and_1"): framed_and_ended(frame_of(big, MIB + 1)),
    }
    for (reason, name), encoded in cases.items():
        yield reason, name, {"encoded": told(*encoded)}
    for (reason, name), made in broken_frames().items():
        yield reason, name, {"encoded": told(*framed_and_ended(made))}


def framed_and_ended(made):
    return [framed(made), END]


def broken_frames():
    good = frame(PLAIN)
    wrong = CHECKED_FRAME[:-1] + bytes([CHECKED_FRAME[-1] ^ 1])
    return {
        ("magic", "skippable_frame"): bytes.fromhex("502a4d18") + bytes(4),
        ("magic", "of_version_0.7"): b"\x27" + good[1:],
        ("magic", "cut"): MAGIC[:3],
        ("frame", "second_frame"): good + good,
        ("frame", "skippable_frame_behind"): good + bytes.fromhex("502a4d18") + bytes(4),
        ("frame", "byte_behind"): good + b"\x00",
        ("frame", "cut"): good[:-1],
        ("frame", "shorter_than_declared"): frame_of([PLAIN_BLOCK], len(PLAIN) + 1),
        ("frame", "longer_than_declared"): frame_of([PLAIN_BLOCK], len(PLAIN) - 1),
        ("frame", "reserved_bit"): sized(0x28, b"\x0b"),
        ("frame", "reserved_block_type"): frame_of([(3, PLAIN, len(PLAIN))], len(PLAIN)),
        ("frame", "wrong_checksum"): wrong,
    }


def accept_padme():
    cases = {
        "empty": ([END, (b"\x00", 252)], []),
        "one_byte": ([padme(b"a")], [b"a"]),
        "fills_the_floor": ([padme(b"a" * 248)], [(b"a", 248)]),
        "one_byte_more_than_the_floor": ([padme(b"a" * 249)], [(b"a", 249)]),
        "no_padding_above_the_floor": ([padme(b"a" * 264)], [(b"a", 264)]),
        "two_runs": ([padme(b"a" * 10, b"b" * 20)], [b"a" * 10, b"b" * 20]),
        "zeros": ([padme(bytes(300))], [(b"\x00", 300)]),
        "one_mib": (long_run(MIB), [(b"\xa5", MIB)]),
    }
    for name, (encoded, plain) in cases.items():
        yield name, {"encoded": told(*encoded), "plain": told(*plain)}


def long_run(size):
    return word(size), (b"\xa5", size), END, (b"\x00", padded_size(size + 8) - size - 8)


def reject_padme():
    good = padme(b"a" * 300)
    cases = {
        ("cut", "empty"): b"",
        ("cut", "no_end_word"): word(252) + b"a" * 252,
        ("cut", "in_a_run"): word(300) + b"a" * 252,
        ("cut", "in_a_length"): word(253) + b"a" * 253 + END[:3],
        ("run-length", "2_to_the_31"): word(1 << 31) + bytes(252),
        ("padding", "first_byte"): good[:308] + b"\x01" + good[309:],
        ("padding", "last_byte"): good[:-1] + b"\x80",
        ("size", "not_padded"): good[:308],
        ("size", "one_byte_short"): good[:-1],
        ("size", "one_byte_more"): good + b"\x00",
        ("size", "next_padded_size"): good.ljust(padded_size(len(good) + 1), b"\x00"),
        ("size", "below_the_floor"): padme(b"a")[:-1],
    }
    for (reason, name), encoded in cases.items():
        yield reason, name, {"encoded": told(encoded)}


def accept_chunk():
    for name, size in {
        "empty": 0,
        "one_byte": 1,
        "one_part": 65_536,
        "one_byte_more": 65_537,
        "three": 196_608,
    }.items():
        sizes = [min(65_536, size - start) for start in range(0, size, 65_536)]
        yield name, {"part_bytes": 65_536, "plain": told((b"a", size)), "parts": [told((b"a", each)) for each in sizes]}


def reject_chunk():
    for part_bytes in (0, 65_535, 1_073_741_825):
        yield "part-bytes", str(part_bytes), {"part_bytes": part_bytes}
    yield "entry", "version_2", {"entry": "chunk.2"}
    yield "entry", "param", {"entry": "chunk.1~part_bytes=65536"}
