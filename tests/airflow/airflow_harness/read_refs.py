"""Read refs as Airflow does, with the backend and the settings of the environment.

Reads `{"kind": "task" or "asset", "refs": [...]}` from standard input; the last line printed is a JSON list with
`{"value": ...}` or `{"error": "name of the class"}` for each.
"""

from __future__ import annotations

import json
import sys

from lamella.airflow import LamellaStateBackend
from lamella.errors import LamellaError

__all__ = ["main"]


def main() -> None:
    """Read each ref on its own."""
    request = json.load(sys.stdin)
    read = getattr(LamellaStateBackend(), f"deserialize_{request['kind']}_state_store_from_ref")
    told = []
    for ref in request["refs"]:
        try:
            told.append({"value": read(ref)})
        except LamellaError as error:
            told.append({"error": type(error).__name__})
    print(json.dumps(told))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
