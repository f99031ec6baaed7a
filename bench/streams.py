"""Streams, each put and get in a process of its own, whose peak memory is then its own, too."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import data
from measure import Samples, differences, ratios, spread
from rows import STRAIGHT, Goal, Row

from lamella.keys.document import pack
from lamella.keys.edit import keygen
from lamella.keys.providers import FileKeyProvider

if TYPE_CHECKING:
    from effort import Effort

__all__ = ["streams"]

_WHO = {"straight": STRAIGHT, "lamella": "lamella, fsync=off"}
_OPERATIONS = ("put", "get")
_SPEED_GOAL = Goal(1.11)
_EXTRA_GOAL = Goal(8, None)


def streams(effort: Effort, folder: Path) -> list[Row]:
    """Measure the time and the memory of long streams against a straight line of 1 MiB pieces."""
    FileKeyProvider(folder / "keyring").save(pack(keygen("bench", created_at=int(time.time()))), replace=False)
    rows: list[Row] = []
    for kind, pieces in (("log", data.log_pieces), ("rand", data.random_pieces)):
        with (folder / kind).open("wb") as file:
            file.writelines(pieces(effort.stream_mib))
        seconds, peaks = _run_children(folder, kind, effort.stream_rounds)
        (folder / kind).unlink()
        for operation in _OPERATIONS:
            rows += _speed_rows(f"{kind} {operation}", operation, seconds, effort.stream_mib)
            rows += _memory_rows(f"{kind} {operation}", operation, peaks)
    return rows


def _run_children(folder: Path, kind: str, rounds: int) -> tuple[Samples, Samples]:
    """Run every case once a round, in a new order; return the seconds and the peaks in MiB."""
    draw = data.generator(f"order of {kind}")
    labels = list(product(_OPERATIONS, (*_WHO, "baseline")))
    seconds: Samples = {label: [] for label in labels}
    peaks: Samples = {label: [] for label in labels}
    for _ in range(rounds):
        # What is got was put in the same round, so the puts of a round come first.
        for label in sorted(draw.sample(labels, len(labels)), key=lambda label: _OPERATIONS.index(label[0])):
            result = _run_child(*label, kind, str(folder))
            seconds[label].append(result["seconds"])
            peaks[label].append(result["peak_mib"])
    return seconds, peaks


def _run_child(*arguments: str) -> dict[str, float]:
    script = str(Path(__file__).with_name("stream_child.py"))
    command = [sys.executable, script, *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603 - the project's own script
    result: dict[str, float] = json.loads(output)
    return result


def _speed_rows(what: str, operation: str, seconds: Samples, size_mib: int) -> list[Row]:
    reference = seconds[operation, "straight"]
    return [
        Row(
            group=f"Streams of {size_mib} MiB",
            what=what,
            who=who,
            unit="MB/s",
            value=spread([size_mib * data.MIB / 1e6 / each for each in seconds[operation, name]]),
            ratios={STRAIGHT: ratios(seconds[operation, name], reference)} if name == "lamella" else {},
            goals=(_SPEED_GOAL,) if name == "lamella" else (),
        )
        for name, who in _WHO.items()
    ]


def _memory_rows(what: str, operation: str, peaks: Samples) -> list[Row]:
    """Give the straight line's peak above the baseline, and Lamella's above the straight line."""
    above = {name: differences(peaks[operation, name], peaks[operation, "baseline"]) for name in _WHO}
    extra = differences(above["lamella"], above["straight"])
    group = "Peak memory of these streams"
    return [
        Row(group=group, what=what, who=STRAIGHT, unit="MiB", value=spread(above["straight"])),
        Row(group=group, what=what, who=_WHO["lamella"], unit="MiB", value=spread(above["lamella"])),
        Row(group=group, what=what, who="beyond it", unit="MiB", value=spread(extra), goals=(_EXTRA_GOAL,)),
    ]
