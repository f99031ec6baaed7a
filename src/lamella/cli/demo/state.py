"""The state side of the demo: tasks with accessors, a database of refs, a retry, and layers around a plain backend."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from lamella.cli.demo import values
from lamella.cli.demo.plain import PlainStateBackend
from lamella.cli.demo.scan import of_files, scan
from lamella.errors import ObjectNotFoundError, RefMismatchError
from lamella.protocols.layer import Role
from lamella.state import LayeredStateBackend, StateDatabase, TaskScope, TaskStateAccessor, wrap

if TYPE_CHECKING:
    from pathlib import Path

    from lamella.cli.demo.report import Report
    from lamella.cli.demo.scene import Scene

__all__ = ["show_state"]

_TASKS: Final = tuple(TaskScope("invoices", "2026-11", name) for name in ("extract", "charge", "report"))
_SHOWN_CHARS: Final = 96


def show_state(scene: Scene, report: Report, folder: Path) -> None:
    """Run three tasks that keep their state, look into their database, try one again, and wrap a plain backend."""
    rows = folder / "rows"
    rows.mkdir()
    database, backend = StateDatabase(rows / "state.db"), LayeredStateBackend(scene.main)
    try:
        _run_tasks(report, database, backend, rows)
        _try_again(report, database, backend)
    finally:
        for scope in _TASKS:
            backend.clear(scope)
    _wrap(scene, report)


def _run_tasks(report: Report, database: StateDatabase, backend: LayeredStateBackend, rows: Path) -> None:
    report.step("Three tasks keep their state; the host's database holds refs only")
    for number, scope in enumerate(_TASKS):
        task = TaskStateAccessor(scope, f"try-1-of-{scope.task_id}", database, backend)
        task.set("cursor", {**values.cursor(), "task": number})
        task.set("batch", values.document(10_000))
    with closing(sqlite3.connect(rows / "state.db")) as connection:
        dump = connection.execute("SELECT owner, key, stored FROM state").fetchall()
    for owner, key, stored in dump:
        report.say(f"   {dict(json.loads(owner))['task_id']:8} {key:7} {stored[:_SHOWN_CHARS]}...")
    held = all(stored.startswith("lamella:1:") for _, _, stored in dump) and len(dump) == 2 * len(_TASKS)
    report.claim(f"all {len(dump)} rows hold refs", held=held)
    seen = scan(values.text_canaries(), of_files(rows))
    report.claim(
        f"{seen.size_bytes:,} bytes of the database hold no value", held=not seen.found and seen.size_bytes > 0
    )


def _try_again(report: Report, database: StateDatabase, backend: LayeredStateBackend) -> None:
    report.step("A task is tried again, under another id")
    scope, other = _TASKS[:2]
    ref = str(database.get(scope, "cursor"))
    retry = TaskStateAccessor(scope, "try-2-of-extract", database, backend)
    report.claim("the retry reads the cursor", held=retry.get("cursor") == {**values.cursor(), "task": 0})
    retry.set("cursor", {"page": 8})
    report.claim("what it writes keeps its ref", held=database.get(scope, "cursor") == ref)
    database.set(scope, "cursor", str(database.get(other, "cursor")))
    report.refused("another task's ref in its row", RefMismatchError, lambda: retry.get("cursor"))
    retry.delete("cursor")
    report.claim("after its delete the row is gone", held=retry.get("cursor") is None)
    report.refused(
        "the ref of the first try", ObjectNotFoundError, lambda: backend.deserialize_task_state_from_ref(ref)
    )


def _wrap(scene: Scene, report: Report) -> None:
    report.step("Layers go around a plain state backend")
    plain, value = PlainStateBackend(), [values.cursor()]
    bare = plain.serialize_task_state_to_ref(value=value, key="cursor", ti_id="try-1")
    report.claim(
        "without layers it holds the value in the clear", held=bool(scan(values.text_canaries(), _texts(plain)).found)
    )
    plain.rows.clear()
    layers = [layer for layer in scene.main.engine.plan.layers if layer.role not in (Role.SPLIT, Role.COMPRESS)]
    wrapped = wrap(plain, layers, scene.main.engine.keyring)
    ref = wrapped.serialize_task_state_to_ref(value=value, key="cursor", ti_id="try-1")
    wrapped.set(_TASKS[0], "note", json.dumps(value))
    report.claim("through layers the value comes back", held=wrapped.deserialize_task_state_from_ref(ref) == value)
    report.claim("and so does a text", held=wrapped.get(_TASKS[0], "note") == json.dumps(value))
    report.claim(f"its own ref {bare!r} rides inside ours", held=scene.main.engine.verify(ref).body == bare.encode())
    seen = scan(values.text_canaries(), _texts(plain))
    report.claim(
        f"{seen.size_bytes:,} bytes that it holds have no value in the clear", held=not seen.found and bool(plain.rows)
    )


def _texts(plain: PlainStateBackend) -> list[bytes]:
    return [text.encode() for text in plain.rows.values()]
