"""What the demo does to the stored objects, the refs and the keys, and how it is refused."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamella.cli.demo import values
from lamella.cli.sizes import measure
from lamella.errors import IntegrityError, KeyVersionNotFoundError, ManifestRefusedError, RefTagError
from lamella.keys import edit
from lamella.wire.manifest import format_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lamella.cli.demo.report import Report
    from lamella.cli.demo.scene import Scene
    from lamella.protocols.store import Store

__all__ = ["alter_objects", "alter_refs", "turn_keys"]


def alter_objects(scene: Scene, report: Report, refs: dict[str, str], folder: Path) -> None:
    """Flip, cut and move what is stored."""
    stack, store = scene.main, scene.store
    cursor = stack.engine.place(values.CURSOR).head
    sealed = _bytes_at(store, cursor)
    with _replaced(store, cursor, _flipped(sealed)):
        report.refused("an object with a flipped byte", IntegrityError, lambda: stack.get(refs["cursor"]))
    with _replaced(store, cursor, sealed[:-1]):
        report.refused("an object without its last byte", IntegrityError, lambda: stack.get(refs["cursor"]))
    with _replaced(store, stack.engine.place(values.OTHER).head, sealed):
        report.refused("an object moved to another key", IntegrityError, lambda: stack.get(refs["other"]))
    place = stack.engine.place(values.STREAM)
    last = max((part.locator for part in store.list(place.parts)), default=place.head)
    target = folder / "refused"
    with _replaced(store, last, _flipped(_bytes_at(store, last))):
        report.refused(
            "a stream with a flipped byte in its last object", IntegrityError, lambda: _into(scene, refs, target)
        )
    report.claim("nothing of the refused stream was handed out", held=not target.exists())
    report.claim("put back as it was, the object reads", held=stack.get(refs["cursor"]) == values.cursor())


def alter_refs(scene: Scene, report: Report, refs: dict[str, str]) -> None:
    """Drop the encryption from a ref, without its key and with it."""
    plan = scene.main.engine.plan
    unsealed = format_manifest(tuple(layer.entry() for layer in plan.layers if not layer.strength))
    edited = refs["cursor"].replace(plan.manifest, unsealed)
    report.refused("a ref edited to drop encryption", RefTagError, lambda: scene.main.get(edited))
    genuine = scene.unsealed().put(values.OTHER, {"planted": True})
    report.refused("a genuine ref to an unsealed object", ManifestRefusedError, lambda: scene.main.get(genuine))
    report.refused("that object behind a ref with a seal", ManifestRefusedError, lambda: scene.main.get(refs["other"]))


def turn_keys(scene: Scene, report: Report, refs: dict[str, str]) -> None:
    """Rotate the data key, disable the old one, and activate it again."""
    old = scene.record.primary("data").key_id
    added = edit.change_keyring(scene.provider, lambda record: edit.add(record, "data", created_at=int(time.time())))
    new = added.keys[-1].key_id
    edit.change_keyring(scene.provider, lambda record: edit.promote(record, new))
    rotated = scene.reopened()
    report.claim("after a rotation the old value reads", held=rotated.get(refs["cursor"]) == values.cursor())
    ref = rotated.put(values.OTHER, "new")
    report.claim("a value written again keeps its ref", held=ref == refs["other"])
    facts = measure(rotated.engine, rotated.engine.verify(ref)).facts
    report.claim(
        "it is sealed under the new key", held=[each.key_id for each in facts] == [new] * len(facts) and facts != ()
    )
    edit.change_keyring(scene.provider, lambda record: edit.disable(record, old))
    disabled = scene.reopened()
    report.refused("a value under a disabled key", KeyVersionNotFoundError, lambda: disabled.get(refs["cursor"]))
    report.claim("a value under the new key reads", held=disabled.get(refs["other"]) == "new")
    edit.change_keyring(scene.provider, lambda record: edit.activate(record, old))
    report.claim(
        "activated again, the key opens its value", held=scene.reopened().get(refs["cursor"]) == values.cursor()
    )


@contextmanager
def _replaced(store: Store, locator: str, altered: bytes) -> Iterator[None]:
    """Put other bytes at a locator for a while."""
    original = _bytes_at(store, locator)
    store.put(locator, (altered,))
    try:
        yield
    finally:
        store.put(locator, (original,))


def _flipped(sealed: bytes) -> bytes:
    """Flip one bit near the end, well inside the sealed payload."""
    at = len(sealed) - 20
    return sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


def _bytes_at(store: Store, locator: str) -> bytes:
    return b"".join(store.get(locator)[1])


def _into(scene: Scene, refs: dict[str, str], target: Path) -> None:
    scene.main.get_into(refs["stream"], target)
