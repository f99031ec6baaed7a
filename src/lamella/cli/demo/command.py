"""The order of the demo's steps; each claim is checked, and one that does not hold ends with exit code 1."""

from __future__ import annotations

import hashlib
import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lamella.cli.answers import json_option
from lamella.cli.demo import values
from lamella.cli.demo.refusals import alter_objects, alter_refs, turn_keys
from lamella.cli.demo.report import Report
from lamella.cli.demo.scan import all_objects, key_canaries, of_files, of_objects, scan
from lamella.cli.demo.scene import Scene
from lamella.cli.demo.state import show_state
from lamella.cli.picture import draw_sizes
from lamella.cli.progress import counting
from lamella.cli.sizes import measure
from lamella.errors import StoreError
from lamella.flow.stream import pieces
from lamella.limits import SEGMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamella.protocols.layer import Segment

__all__ = ["demo"]

_LAYERS: Final = "zstd | padme | cobblestone256 | chunk(1MiB)"
_DOCUMENT_BYTES: Final = 2_000_000
_STREAM_BYTES: Final = 64 * 1024 * 1024


@click.command()
@click.option("--store", "url", metavar="URL", help="An empty store; by default a SQLite file that is removed again.")
@click.option("--layers", default=_LAYERS, show_default=True, metavar="LINE", help="The layers to show.")
@click.option("--document-bytes", default=_DOCUMENT_BYTES, type=click.IntRange(1), hidden=True)
@click.option("--stream-bytes", default=_STREAM_BYTES, type=click.IntRange(1), hidden=True)
@json_option
@click.pass_context
def demo(  # noqa: PLR0913 - each is an option
    context: click.Context, url: str | None, layers: str, document_bytes: int, stream_bytes: int, *, as_json: bool
) -> None:
    """Store real values, look for them in what is stored, alter it, turn keys, and clear it.

    Uses a keyring of its own in a temporary folder. Exits with 1 when anything that it claims does not hold.
    """
    report = Report(as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="lamella-demo-") as name:
        folder = Path(name)
        _run(folder, url, layers, (document_bytes, stream_bytes), report)
    if as_json:
        click.echo(json.dumps({"held": not report.failed, "claims": [claim._asdict() for claim in report.claims]}))
    failed, count = len(report.failed), len(report.claims)
    report.say(f"\n{count - failed} of {count} claims hold")
    if failed:
        context.exit(1)


def _run(folder: Path, url: str | None, layers: str, sizes: tuple[int, int], report: Report) -> None:
    report.step("A keyring and a stack")
    kept = folder / "store"
    kept.mkdir()
    scene = Scene(folder, layers, url or f"sqlite:///{kept / 'state.db'}")
    report.say(f"   keyring {scene.record.keyring_id.hex()}, {scene.main!r}")
    try:
        large = values.document(sizes[0])
        refs = _store(scene, report, large, sizes[1])
        _scan(scene, report, None if url else kept, large)
        _draw(scene, report, refs)
        _read(scene, report, refs, large, sizes[1], folder)
        show_state(scene, report, folder)
        report.step("What is altered in the store is refused")
        alter_objects(scene, report, refs, folder)
        report.step("What is altered in a ref is refused")
        alter_refs(scene, report, refs)
        report.step("Keys are turned")
        turn_keys(scene, report, refs)
        report.step("After clear nothing is left")
        scene.clear()
        report.claim("the store lists no object", held=next(all_objects(scene.store), None) is None)
    finally:
        with suppress(StoreError):
            scene.clear()
        scene.main.close()


def _store(scene: Scene, report: Report, large: list[dict[str, Any]], stream_bytes: int) -> dict[str, str]:
    """Store the values and show their refs."""
    report.step("A cursor, a document and a stream are stored; the host keeps their refs")
    stack = scene.main
    refs = {
        "cursor": stack.put(values.CURSOR, values.cursor()),
        "document": stack.put(values.DOCUMENT, large),
        "other": stack.put(values.OTHER, "old"),
    }
    with counting("storing", stream_bytes) as counted:
        refs["stream"] = stack.put_stream(values.STREAM, counted(values.stream(stream_bytes)), stream_bytes)
    for name in ("cursor", "document", "stream"):
        report.say(f"   {name:8} {refs[name]}")
    again = stack.put(values.CURSOR, values.cursor())
    report.claim("the same address gives the same ref", held=again == refs["cursor"])
    return refs


def _scan(scene: Scene, report: Report, kept: Path | None, large: list[dict[str, Any]]) -> None:
    """Look for names, values and keys in all that is stored."""
    report.step("What is stored holds no name, no value and no key in the clear")
    plain: Iterable[Segment] = [
        json.dumps([values.cursor(), large[0]]).encode(),
        *values.stream(SEGMENT_BYTES),
        repr((values.SCOPES, values.CURSOR, values.DOCUMENT, values.OTHER, values.STREAM)).encode(),
    ]
    texts = values.text_canaries()
    report.claim("the scan finds each canary where it is in the clear", held=scan(texts, plain).found == texts.keys())
    uncompressed = scene.uncompressed()
    uncompressed.put(values.OTHER, [values.cursor(), large[0]])
    canaries = {**texts, **key_canaries(scene.record)}
    seen = scan(canaries, of_objects(scene.store) if kept is None else of_files(kept))
    where = "objects" if kept is None else "files"
    sentence = f"{seen.size_bytes:,} bytes of {where} hold none of {len(canaries)} canaries"
    report.claim(sentence, held=not seen.found and seen.size_bytes > 0)
    for name in sorted(seen.found):
        report.say(f"          found {name}")
    scene.main.put(values.OTHER, "old")


def _draw(scene: Scene, report: Report, refs: dict[str, str]) -> None:
    """Draw the size of each value after each layer."""
    report.step("The size after each layer")
    for name in ("cursor", "document", "stream"):
        measured = measure(scene.main.engine, scene.main.engine.verify(refs[name]))
        if not report.as_json:
            click.echo(f"\n   {name}")
            draw_sizes(measured)


def _read(  # noqa: PLR0913 - what was stored, and where to read it to
    scene: Scene, report: Report, refs: dict[str, str], large: list[dict[str, Any]], stream_bytes: int, folder: Path
) -> None:
    """Read all back."""
    report.step("All is read back as it was")
    stack = scene.main
    report.claim("the cursor is equal", held=stack.get(refs["cursor"], expect=values.CURSOR) == values.cursor())
    report.claim("the document is equal", held=stack.get(refs["document"], expect=values.DOCUMENT) == large)
    target = folder / "stream"
    count = stack.get_into(refs["stream"], target, expect=values.STREAM)
    with target.open("rb") as file:
        read = _digest(pieces(file))
    equal = count == stream_bytes and read == _digest(values.stream(stream_bytes))
    report.claim("the stream is equal", held=equal)
    target.unlink()


def _digest(source: Iterable[Segment]) -> bytes:
    digest = hashlib.sha256()
    for segment in source:
        digest.update(segment)
    return digest.digest()
