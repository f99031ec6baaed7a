"""The README's session is run as it stands there."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

_README = Path(__file__).parents[2] / "README.md"


def test_the_session_in_the_readme_prints_what_it_says(tmp_path, monkeypatch):
    text = _README.read_text(encoding="utf-8")
    session = text.split("## A session")[1].split("\n## ")[0]
    monkeypatch.chdir(tmp_path)
    [command] = re.findall(r"```sh\n(lamella .+)\n```", session)
    lamella = [sys.executable, "-c", "from lamella.cli.main import main; main()"]
    subprocess.run([*lamella, *shlex.split(command)[1:]], check=True, capture_output=True)
    [shown] = re.findall(r"```pycon\n(.*?)```", session, re.DOTALL)
    parsed = doctest.DocTestParser().get_doctest(shown, {}, "README.md", "README.md", 0)
    assert len(parsed.examples) > 10
    failures: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(parsed, out=failures.append)
    assert result.failed == 0, "".join(failures)
