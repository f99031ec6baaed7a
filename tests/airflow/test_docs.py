"""The page and Airflow say the same of each option."""

from __future__ import annotations

from pathlib import Path

from lamella.airflow.options import OPTIONS

_PAGE = Path(__file__).parents[2] / "docs" / "airflow.md"


def test_page_lists_every_option_as_airflow_describes_it():
    text = _PAGE.read_text().partition("<!-- options: begin -->")[2].partition("<!-- options: end -->")[0]
    rows = [line.replace(r"\|", "│").strip("| ").split(" | ") for line in text.strip().splitlines()[2:]]
    described = [
        [f"`{name}`", option.type, f"`{option.default}`" if option.default else "-", option.description]
        for name, option in OPTIONS.items()
    ]
    assert rows == [[cell.replace("|", "│") for cell in row] for row in described]
