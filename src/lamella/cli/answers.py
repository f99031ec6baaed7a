"""How a verb answers: one JSON document, or a sentence for a person."""

from __future__ import annotations

import json
from typing import Any

import click

__all__ = ["answer", "json_option"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def answer(facts: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    """Print the facts as one JSON document, or the sentence for a person."""
    click.echo(json.dumps(facts) if as_json else sentence)
