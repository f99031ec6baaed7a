"""What is counted passes unchanged, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest

from lamella.cli.progress import tallying


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "is_shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_items_pass_and_are_counted_on_a_terminal_alone(monkeypatch, stream, is_shown):
    monkeypatch.setattr("sys.stderr", stream)
    with tallying() as watch:
        assert list(watch("rows", range(1234))) == list(range(1234))
        assert list(watch("objects", [])) == []
    assert ("rows" in stream.getvalue() and "1234" in stream.getvalue()) == is_shown
