"""Run everything for long, and write what came of it: `python tests/soak/run.py [PART ...]`; sizes are options."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
from damage import read_damaged
from documents import compare
from register import STORES, contend

__all__ = ["main"]

_ROOT = Path(__file__).parents[2]
_SHOWN = 5
_PEAK_MIB = 200


class Outcome(NamedTuple):
    """What came of one part: its size in words, what was counted, and what is wrong; nothing if all is well."""

    size: str
    result: str
    wrong: list[str]


def _documents(sizes) -> Outcome:
    count = sizes["documents"]
    return Outcome(f"{count:,} documents", "each comes back as the standard library brings it back", compare(count))


def _damage(sizes) -> Outcome:
    wrong, counts = read_damaged(sizes["inputs"])
    return Outcome(f"{counts.total():,} damaged objects", _counted(counts), wrong)


def _stream(sizes) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="lamella-soak-", dir=sizes["folder"]) as folder:
        command = [sys.executable, str(Path(__file__).with_name("stream.py")), str(sizes["stream_mib"]), folder]
        facts = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    wrong = [] if facts["put"] == facts["got"] else ["the digests differ"]
    if facts["peak_mib"] >= _PEAK_MIB:
        wrong.append(f"the peak of resident memory is not below {_PEAK_MIB} MiB")
    result = f"digest {facts['got'][:16]}, peak of resident memory {facts['peak_mib']} MiB"
    return Outcome(f"{facts['size_bytes']:,} bytes", result, wrong)


def _register(sizes) -> Outcome:
    wrong, results = [], []
    for store in STORES:
        with tempfile.TemporaryDirectory(prefix="lamella-soak-", dir=sizes["folder"]) as folder:
            said, counts = contend(store, sizes["processes"], sizes["register_seconds"], Path(folder))
        wrong += [f"{store}: {each}" for each in said]
        results.append(f"{store}: {_counted(counts)}")
    size = f"{sizes['processes']} processes on one key, {sizes['register_seconds']:g} s a store"
    return Outcome(size, "linearizable; " + "; ".join(results) if not wrong else "; ".join(results), wrong)


def _fuzz(sizes) -> Outcome:
    command = [sys.executable, str(_ROOT / "fuzz" / "run.py"), "--seconds-each", str(sizes["fuzz_seconds"])]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    rows = [line.split(None, 3) for line in done.stdout.splitlines()[1:]]
    result = ", ".join(f"{row[0]} {int(row[1]):,} ({row[2]} edges)" for row in rows if len(row) == 4)
    wrong = (done.stdout + done.stderr).splitlines()[-_SHOWN:] if done.returncode else []
    return Outcome(f"{sizes['fuzz_seconds']} s a target", f"executions: {result}", wrong)


PARTS = {"documents": _documents, "damage": _damage, "stream": _stream, "register": _register, "fuzz": _fuzz}


@click.command()
@click.option("--documents", default=300_000, show_default=True, help="JSON documents to compare.")
@click.option("--inputs", default=1_000_000, show_default=True, help="Damaged objects to read.")
@click.option("--stream-mib", default=4096, show_default=True, help="The length of the stream, in MiB.")
@click.option("--processes", default=16, show_default=True, help="Processes on one key.")
@click.option("--register-seconds", default=300.0, show_default=True, help="How long they go on, for each store.")
@click.option("--fuzz-seconds", default=180, show_default=True, help="How long each fuzz target runs.")
@click.option("--folder", type=click.Path(file_okay=False), help="Where objects go for the time being; needs the room.")
@click.option(
    "--report",
    default=_ROOT / "docs" / "soak-report.md",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the report goes, by default docs/soak-report.md.",
)
@click.argument("parts", nargs=-1, type=click.Choice([*PARTS]))
def main(report: Path, parts: tuple[str, ...], **sizes) -> None:
    """Run the parts, all by default, and write the report; fails when anything is wrong."""
    rows, wrong = [], []
    for name in parts or PARTS:
        click.echo(f"{name} ...")
        begin = time.monotonic()
        outcome = PARTS[name](sizes)
        seconds = time.monotonic() - begin
        verdict = f"WRONG in {len(outcome.wrong)} places" if outcome.wrong else "ok"
        click.echo(f"{name}: {verdict} after {seconds:.0f} s; {outcome.size}; {outcome.result}")
        rows.append(f"| {name} | {outcome.size} | {seconds:,.0f} s | {verdict} | {outcome.result} |")
        wrong += [f"- {name}: {each}" for each in outcome.wrong[:_SHOWN]]
    report.write_text(_page(rows, wrong), encoding="utf-8")
    click.echo("\n".join([*wrong, f"written: {report}"]))
    sys.exit(bool(wrong))


def _page(rows: list[str], wrong: list[str]) -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    facts = [
        f"- date: {dt.datetime.now(dt.timezone.utc):%Y-%m-%d %H:%M} UTC",
        f"- commit: {_git('rev-parse', 'HEAD')}{' with changes' if _git('status', '--porcelain') else ''}",
        f"- machine: {platform.system()} {platform.machine()}, {python}, {_cores()}",
    ]
    table = ["| part | size | duration | verdict | result |", "|---|---|---|---|---|", *rows]
    blocks = ["# Soak report", "Written by `make soak`.", "\n".join(facts), "\n".join(table)]
    return "\n\n".join([*blocks, *(["## Wrong", "\n".join(wrong)] if wrong else [])]) + "\n"


def _cores() -> str:
    memory = next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    return f"{len(os.sched_getaffinity(0))} cores, {int(memory) // 1024**2} GiB of memory"


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(_ROOT), *arguments], check=False, capture_output=True, text=True
    ).stdout.strip()


def _counted(counts) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


if __name__ == "__main__":
    main()
