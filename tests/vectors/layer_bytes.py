"""The layers of docs/format.md, written from that page and RFC 8878 alone; and bytes told as runs."""

from __future__ import annotations

from itertools import groupby

END = bytes(4)
MAGIC = bytes.fromhex("28b52ffd")
RAW = 1 << 31
MIB = 1 << 20
RAW_BLOCK, REPEATED_BLOCK = 0, 1
WORTH_REPEATING = 8


def word(number):
    return number.to_bytes(4, "big")


def told(*pieces):
    """Tell bytes as runs; a piece is bytes, or bytes and how often they stand there."""
    pairs = [piece if isinstance(piece, tuple) else (piece, 1) for piece in pieces]
    return [[piece.hex(), count] for piece, count in pairs if piece and count]


def block(kind, body, size, *, last):
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + body


def frame_of(blocks, size_bytes, descriptor=0xA0, after_descriptor=b""):
    """Return a frame that declares its size in 4 bytes, made of blocks given as kind, body and size."""
    body = b"".join(block(*each, last=each is blocks[-1]) for each in blocks)
    return MAGIC + bytes([descriptor]) + after_descriptor + size_bytes.to_bytes(4, "little") + body


def frame(plain):
    """Compress with the two kinds of block that need no entropy coder: raw, and one byte repeated."""
    blocks, raw = [], b""
    for byte, same in groupby(plain):
        count = len(list(same))
        if count < WORTH_REPEATING:
            raw += bytes([byte]) * count
            continue
        if raw:
            blocks.append((RAW_BLOCK, raw, len(raw)))
            raw = b""
        blocks.append((REPEATED_BLOCK, bytes([byte]), count))
    if raw or not blocks:
        blocks.append((RAW_BLOCK, raw, len(raw)))
    return frame_of(blocks, len(plain))


def zstd(plain):
    made = frame(plain)
    return (word(len(made)) + made if len(made) < len(plain) else word(RAW | len(plain)) + plain) + END


def padded_size(size_bytes):
    size = max(size_bytes, 256)
    exponent = size.bit_length() - 1
    unit = 1 << (exponent - exponent.bit_length())
    return -(-size // unit) * unit


def padme(*runs):
    body = b"".join(word(len(run)) + run for run in runs if run) + END
    return body.ljust(padded_size(len(body)), b"\0")
