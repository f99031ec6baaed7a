"""The three values of the demo, and the canaries in them: texts that must never rest anywhere in the clear."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from lamella.scope import Address, AssetScope, TaskScope

if TYPE_CHECKING:
    from lamella.protocols.layer import Payload

__all__ = ["CURSOR", "DOCUMENT", "OTHER", "SCOPES", "STREAM", "cursor", "document", "stream", "text_canaries"]

_TASK: Final = TaskScope("canary-dag-payroll", "canary-run-2026-11", "canary-task-extract")
_ASSET: Final = AssetScope(name="canary-asset-ledger")
SCOPES: Final = (_TASK, _ASSET)

CURSOR: Final = Address(_TASK, "canary-key-cursor")
DOCUMENT: Final = Address(_TASK, "canary-key-document")
OTHER: Final = Address(_TASK, "canary-key-other")
STREAM: Final = Address(_ASSET, "canary-key-stream")

_CURSOR_CANARY: Final = "CANARY-VALUE-CURSOR"
_DOCUMENT_CANARY: Final = "CANARY-VALUE-DOCUMENT"
_STREAM_CANARY: Final = "CANARY-VALUE-STREAM"

_CURSOR_BYTES: Final = 200
_LINES_A_BLOCK: Final = 8192


def text_canaries() -> dict[str, bytes]:
    """Return every name and value canary as it would stand in the clear."""
    names = (
        _TASK.dag_id,
        _TASK.run_id,
        _TASK.task_id,
        str(_ASSET.name),
        CURSOR.key,
        DOCUMENT.key,
        OTHER.key,
        STREAM.key,
    )
    return {text: text.encode() for text in (*names, _CURSOR_CANARY, _DOCUMENT_CANARY, _STREAM_CANARY)}


def cursor() -> dict[str, str]:
    """Return a small value, 200 bytes as JSON."""
    value = {"secret": _CURSOR_CANARY, "page": ""}
    value["page"] = _digest("cursor", 4)[: _CURSOR_BYTES - len(json.dumps(value, separators=(",", ":")))]
    return value


def document(size_bytes: int) -> list[dict[str, Any]]:
    """Return records that make up about so many bytes as JSON, more than one record in any case."""
    one = len(json.dumps(_record(0), separators=(",", ":"))) + 1
    return [_record(number) for number in range(max(2, size_bytes // one))]


def stream(size_bytes: int) -> Payload:
    """Yield exactly so many bytes of log lines, no two blocks alike."""
    lines = "".join(f"{number:06d} level=INFO user={_digest(number, 1)} done\n" for number in range(_LINES_A_BLOCK))
    number = 0
    while size_bytes > 0:
        block = f"{_STREAM_CANARY} block {number} {_digest(number, 1)}\n{lines}".encode()[:size_bytes]
        yield block
        size_bytes -= len(block)
        number += 1


def _record(number: int) -> dict[str, Any]:
    return {
        "id": 10_000_000 + number,
        "account": _digest(number, 1)[:24],
        "note": f"{_DOCUMENT_CANARY} payment for the month of November",
        "open": number % 2 == 0,
    }


def _digest(seed: object, rounds: int) -> str:
    """Return 64 hexadecimal digits a round, the same in every run."""
    return "".join(hashlib.sha256(f"{seed} {each}".encode()).hexdigest() for each in range(rounds))
