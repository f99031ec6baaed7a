"""What a task process pays before its first value is stored: whole processes, from start to exit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from measure import Case, Label, differences, interleave, spread
from rows import Goal, Row

from lamella.keys.document import pack
from lamella.keys.edit import keygen
from lamella.keys.providers import FileKeyProvider

if TYPE_CHECKING:
    from pathlib import Path

    from effort import Effort

__all__ = ["INHERITED", "start_up"]

INHERITED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""What a measured process inherits: the warm-up leaves compiled modules for it, as an installation does."""

_BARE = "pass"

_IMPORTS = (
    "import json, os, zstandard\nfrom cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor"
)

_LAMELLA = """
import sys, lamella
folder = sys.argv[1]
stack = lamella.open_stack(
    f"zstd | padme | cobblestone256 | chunk | directory://{folder}/objects?fsync=off",
    environ={},
    settings={"keyring": f"file:{folder}/keyring"},
)
stack.put(lamella.Address(lamella.TaskScope("bench", "run-1", "task"), "key"), {"attempt": 1})
"""

_GOAL = Goal(60, None)


def start_up(effort: Effort, folder: Path) -> list[Row]:
    """Measure a first put in a fresh process against importing what the straight line imports."""
    FileKeyProvider(folder / "keyring").save(pack(keygen("bench", created_at=int(time.time()))), replace=False)
    programs = {"python alone": _BARE, "cryptography, zstandard": _IMPORTS, "lamella, first put": _LAMELLA}
    labels: dict[str, Label] = {who: ("start", who) for who in programs}
    cases = [Case(labels[who], partial(_start, program, folder)) for who, program in programs.items()]
    samples = interleave(cases, effort.start_rounds)
    rows = [_row(who, samples[label]) for who, label in labels.items()]
    extra = differences(samples[labels["lamella, first put"]], samples[labels["cryptography, zstandard"]])
    return [*rows, _row("lamella beyond these imports", extra, (_GOAL,))]


def _start(program: str, folder: Path) -> None:
    command = [sys.executable, "-c", program, str(folder)]
    subprocess.run(command, check=True, env=INHERITED)  # noqa: S603 - the programs above


def _row(who: str, seconds: list[float], goals: tuple[Goal, ...] = ()) -> Row:
    value = spread([1e3 * each for each in seconds])
    return Row(group="Start-up", what="whole process", who=who, unit="ms", value=value, goals=goals)
