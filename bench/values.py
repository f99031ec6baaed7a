"""Values that fit in memory: S, M and L, alone and by two callers."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import data
from contenders import Contender, KeepStore, addresses, lamella, names, recommended_stack
from measure import Case, interleave
from peers import PEERS, UNDER_ONE_KEY, fernet_zlib
from rows import FERNET, STRAIGHT, Goal, Row, row_of_times
from straight_line import StraightLine

from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effort import Effort

__all__ = ["against_peers", "durable", "end_to_end", "transform", "two_callers"]

_BARE = "lamella, fsync=off"
_REFERENCES = (STRAIGHT, FERNET)
_COLD_KEYS = 3_000

_GOALS = {
    ("M", "put"): (Goal(0.6),),
    ("L", "put"): (Goal(0.6),),
    ("L", "get"): (Goal(0.7),),
}


def transform(effort: Effort, folder: Path) -> list[Row]:
    """Measure S without a file on either side; what is sealed stays in a dictionary.

    The engine keeps what it derived for the last 1,024 addresses and refs; the second contender goes round so many
    that it never finds one of them there.
    """
    values = data.small()
    straight = StraightLine(folder / "straight")
    group = "S, transform only"
    warm = lamella("lamella", KeepStore(), len(values))
    cold = lamella("lamella, addresses new", KeepStore(), _COLD_KEYS)
    by_hand = Contender(STRAIGHT, straight.seal, straight.open, names(len(values)))
    cases = [case for each in (by_hand, warm, cold) for case in each.cases(values)]
    samples = interleave(cases, effort.rounds)
    return [
        row_of_times(group, f"S {case.label[0]}", case.label, samples, (STRAIGHT,), _only_lamella(case, (Goal(2.0),)))
        for case in cases
    ]


def end_to_end(which: str, make: Callable[[], list[object]], effort: Effort, folder: Path) -> list[Row]:
    """Measure values of one size in files, against the straight line and Fernet with zlib."""
    values = make()
    keys = names(len(values))
    straight, fernet = StraightLine(folder / "straight"), fernet_zlib(folder / "fernet")
    contenders = (
        Contender(STRAIGHT, straight.put, straight.get, keys),
        Contender(FERNET, fernet.put, fernet.get, keys),
        lamella(_BARE, DirectoryStore(folder / "off", fsync="off"), len(values)),
        lamella("lamella, fsync=file", DirectoryStore(folder / "file", fsync="file"), len(values)),
        lamella("lamella, sqlite", SqliteStore(folder / "state.db"), len(values)),
    )
    cases = [case for each in contenders for case in each.cases(values)]
    samples = interleave(cases, effort.large_rounds if which == "L" else effort.rounds)
    return [
        row_of_times(
            f"{which}, end to end",
            f"{which} {case.label[0]}",
            case.label,
            samples,
            _REFERENCES,
            _only_lamella(case, (Goal(1.0, FERNET), *_extra_goals(which, case))),
        )
        for case in cases
    ]


def against_peers(effort: Effort, folder: Path) -> list[Row]:
    """Measure what others use against the recommended stack in a directory, each value put and got back."""
    rows = []
    for which, values, rounds in (
        ("S", data.small(), effort.rounds),
        ("M", data.medium(), effort.rounds),
        ("L", data.large(), effort.large_rounds),
    ):
        keys = names(len(values))
        peers = {who: make(folder / f"{which}-{number}") for number, (who, make) in enumerate(PEERS.items())}
        ours = lamella(_BARE, DirectoryStore(folder / f"{which}-lamella", fsync="off"), len(values))
        contenders = [Contender(who, peer.put, peer.get, keys) for who, peer in peers.items()]
        cases = [case for each in (ours, *contenders) for case in each.cases(values)]
        samples = interleave(cases, rounds)
        rows += [
            row_of_times(
                "What others use",
                f"{which} {case.label[0]}",
                case.label,
                samples,
                (_BARE,),
                () if case.label[1] in {_BARE, *UNDER_ONE_KEY} else (Goal(1.0, _BARE, floor=True),),
            )
            for case in cases
        ]
    return rows


def durable(effort: Effort, _: Path) -> list[Row]:
    """Measure S on a disk that every put waits for; on tmpfs waiting costs nothing."""
    values = data.small()[: effort.durable_values]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        straight = StraightLine(folder / "straight", fsync=True)
        contenders = (
            Contender(STRAIGHT, straight.put, straight.get, names(len(values))),
            lamella("lamella, fsync=file", DirectoryStore(folder / "file"), len(values)),
            lamella("lamella, sqlite", SqliteStore(folder / "state.db"), len(values)),
        )
        cases = [case for each in contenders for case in each.cases(values) if case.label[0] == "put"]
        samples = interleave(cases, effort.large_rounds)
    return [row_of_times("S, durable on disk", "S put", case.label, samples, (STRAIGHT,)) for case in cases]


def two_callers(effort: Effort, folder: Path) -> list[Row]:
    """Measure two threads, each with half of the values, which come to seconds of the clock a value."""
    rows = []
    with ThreadPoolExecutor(2) as pool:
        for which, values in (("S", data.small()), ("M", data.medium())):
            half = len(values) // 2
            by_hand = [StraightLine(folder / f"{which}-{number}") for number in range(2)]
            stack = recommended_stack(DirectoryStore(folder / f"{which}-lamella", fsync="off"))
            keys = addresses(len(values))
            contenders = (
                [Contender(STRAIGHT, each.put, each.get, names(half)) for each in by_hand],
                [Contender(_BARE, stack.put, stack.get, part) for part in (keys[:half], keys[half:])],
            )
            cases = [case for pair in contenders for case in _paired(pair, values, pool)]
            samples = interleave(cases, effort.rounds)
            rows += [
                row_of_times(
                    "Two callers on two threads",
                    f"{which} {case.label[0]}",
                    case.label,
                    samples,
                    (STRAIGHT,),
                    _only_lamella(case, (Goal(1.0),)),
                )
                for case in cases
            ]
    return rows


def _paired(pair: Sequence[Contender], values: Sequence[object], pool: ThreadPoolExecutor) -> list[Case]:
    """Let two contenders do their halves at once."""
    half = len(values) // 2
    halves = zip(pair[0].cases(values[:half]), pair[1].cases(values[half:]), strict=True)

    def both(one: Case, other: Case) -> Case:
        def run() -> None:
            for each in [pool.submit(one.run), pool.submit(other.run)]:
                each.result()

        return Case(one.label, run, one.operations + other.operations)

    return [both(one, other) for one, other in halves]


def _only_lamella(case: Case, goals: tuple[Goal, ...]) -> tuple[Goal, ...]:
    return goals if case.label[-1].startswith("lamella") else ()


def _extra_goals(which: str, case: Case) -> tuple[Goal, ...]:
    """Hold the directory store alone against the straight line, which writes files, too."""
    return _GOALS.get((which, case.label[0]), ()) if case.label[-1] == _BARE else ()
