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
CHECKED_FRAME = bytes.fromhex("CHECKED")
WINDOW_8_MIB, WINDOW_9_MIB = b"\x68", b"\x69"
WINDOWED, UNSIZED = 0x80, 0x00
BLOCK = 128 * 1024
PLAIN = b"a plain run"


def framed(made):
    return word(len(made)) + made


def accept_zstd():
    raw = word(RAW | len(PLAIN)) + PLAIN
    windowed = frame_of([(RAW_BLOCK, PLAIN, len(PLAIN))], len(PLAIN), WINDOWED, WINDOW_8_MIB)
    repeated = [(REPEATED_BLOCK, b"\xa5", BLOCK)]
    body = RAW_BLOCK, PLAIN, len(PLAIN)
    sizes = {
        "1_byte": frame_of([body], len(PLAIN), 0x20).replace(word(len(PLAIN))[::-1], bytes([len(PLAIN)]), 1),
        "8_bytes": frame_of([body], len(PLAIN), 0xE0).replace(word(len(PLAIN))[::-1], word(len(PLAIN))[::-1] + END, 1),
    }
    cases = {
        "empty": ([END], []),
        "raw_run": ([raw, END], [PLAIN]),
        "raw_run_of_one_byte": ([word(RAW | 1), b"\x00", END], [b"\x00"]),
        "longest_raw_run": ([word(RAW | MIB), (b"\xa5", MIB), END], [(b"\xa5", MIB)]),
        "frame": ([framed(frame(PLAIN + b"a" * 99)), END], [PLAIN, (b"a", 99)]),
        "frame_of_several_runs": ([framed(frame(b"a" * 99)), raw, raw, framed(frame(b"b")), END], [b"a" * 99, PLAIN * 2, b"b"]),
        "compressed_block": ([framed(ROWS_FRAME), END], [ROWS]),
        "checksum": ([framed(CHECKED_FRAME), END], [(b"checked ", 40)]),
        "largest_content": ([framed(frame_of(repeated * 7 + [(REPEATED_BLOCK, b"\xa5", BLOCK)], MIB)), END], [(b"\xa5", MIB)]),
        "largest_window": ([framed(windowed), END], [PLAIN]),
        **{f"content_size_in_{name}": ([framed(made), END], [PLAIN]) for name, made in sizes.items()},
        "longest_frame": longest_frame(2 * MIB),
    }
    for name, (encoded, plain) in cases.items():
        yield name, {"encoded": told(*encoded), "plain": told(*plain)}


def longest_frame(size_bytes):
    """Return a frame of that size: its one byte of content follows as many empty blocks as fit."""
    header = MAGIC + b"\xa0" + word(1)[::-1]
    last = (5 << 3 | 1).to_bytes(3, "little")
    del last
    return header, size_bytes
