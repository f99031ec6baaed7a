"""Run every fuzz target for a while: `python fuzz/run.py [--seconds-each N] [TARGET ...]`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import click

__all__ = ["TARGETS", "Result", "main", "run_target"]

_FUZZ: Final = Path(__file__).parent
_GROWN: Final = _FUZZ.parent / "build" / "fuzz"
_FINDINGS: Final = _FUZZ / "findings"
_MAX_RSS_MB: Final = 1024
_MAX_INPUT_BYTES: Final = 64 * 1024
_MAX_INPUT_SECONDS: Final = 25
TARGETS: Final = tuple(sorted(path.stem.removeprefix("fuzz_") for path in _FUZZ.glob("fuzz_*.py")))


class Result(NamedTuple):
    """What one target did.

    Attributes:
        target: Its name.
        executions: How many inputs it ran.
        edges: How many edges of the project they reached.
        finding: The file that stopped it, or the log where no single input did; None if nothing stopped it.
    """

    target: str
    executions: int
    edges: int
    finding: str | None


@click.command()
@click.option("--seconds-each", default=60, show_default=True, type=click.IntRange(1), help="How long a target runs.")
@click.argument("targets", nargs=-1, type=click.Choice(TARGETS))
def main(seconds_each: int, targets: tuple[str, ...]) -> None:
    """Run each target in a process of its own, and fail when one of them found something."""
    click.echo(f"{'target':<16}{'executions':>12}{'edges':>8}  finding")
    found = False
    for target in targets or TARGETS:
        result = run_target(target, seconds_each)
        click.echo(f"{target:<16}{result.executions:>12}{result.edges:>8}  {result.finding or '-'}")
        if result.finding is not None:
            found = True
            verb = "read" if result.finding.endswith(".log") else f"reproduce: {sys.executable} fuzz/fuzz_{target}.py"
            click.echo(f"{verb} {result.finding}")
    sys.exit(found)


def run_target(target: str, seconds: int) -> Result:
    """Run one target for that long; what it finds is kept in fuzz/findings, what it learns in build/fuzz."""
    grown = _GROWN / target
    for folder in (grown, _FINDINGS):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(_FINDINGS.iterdir())
    command = [
        sys.executable,
        str(_FUZZ / f"fuzz_{target}.py"),
        f"-max_total_time={seconds}",
        f"-max_len={_MAX_INPUT_BYTES}",
        f"-rss_limit_mb={_MAX_RSS_MB}",
        f"-timeout={_MAX_INPUT_SECONDS}",
        f"-dict={_FUZZ / 'dictionaries' / f'{target}.dict'}",
        f"-artifact_prefix={_FINDINGS / target}-",
        "-print_final_stats=1",
        str(grown),
        str(_FUZZ / "corpus" / target),
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - its own targets
    kept = sorted(set(_FINDINGS.iterdir()) - before)
    finding = None
    if done.returncode or kept:
        log = _FINDINGS / f"{target}.log"
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
        finding = str((kept or [log])[0])
    return Result(
        target,
        _last(r"stat::number_of_executed_units:\s*(\d+)", done.stderr),
        _last(r"\bcov: (\d+)", done.stderr),
        finding,
    )


def _last(pattern: str, text: str) -> int:
    return int(["0", *re.findall(pattern, text)][-1])


if __name__ == "__main__":
    main()
