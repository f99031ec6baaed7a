"""What the demo says, and which of it did not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from lamella.errors import LamellaError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Claim", "Report"]


class Claim(NamedTuple):
    """One sentence that was checked.

    Attributes:
        step: The step that it belongs to.
        sentence: What is claimed.
        held: Whether it was so.
    """

    step: str
    sentence: str
    held: bool


class Report:
    """Numbers the steps and keeps the claims.

    Attributes:
        claims: In their order.
        as_json: Print nothing on the way.
    """

    def __init__(self, *, as_json: bool) -> None:
        """Start without a claim."""
        self.claims: list[Claim] = []
        self.as_json = as_json
        self._step = ""
        self._count = 0

    def step(self, title: str) -> None:
        """Begin a step."""
        self._step = title
        self._count += 1
        self.say(f"\n{self._count}. {title}")

    def say(self, line: str) -> None:
        """Print a line, unless the answer is JSON."""
        if not self.as_json:
            click.echo(line)

    def claim(self, sentence: str, *, held: bool) -> None:
        """Keep a claim and say whether it holds."""
        self.claims.append(Claim(self._step, sentence, held))
        self.say(f"   {'ok' if held else 'FAILED':6} {sentence}")

    def refused(self, what: str, kind: type[LamellaError], call: Callable[[], object]) -> None:
        """Claim that a call is refused with an error of exactly this class."""
        try:
            call()
        except LamellaError as error:
            self.claim(f"{what} is refused: {type(error).__name__}", held=type(error) is kind)
            self.say(f"          {error}")
        else:
            self.claim(f"{what} is refused: {kind.__name__}", held=False)

    @property
    def failed(self) -> list[Claim]:
        """The claims that did not hold."""
        return [claim for claim in self.claims if not claim.held]
