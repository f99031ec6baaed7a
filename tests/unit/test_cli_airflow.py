from __future__ import annotations

import sys

import click
import pytest

from lamella.errors import ConfigError


@pytest.mark.parametrize("verb", ["migrate", "reconcile"])
def test_help_of_a_verb_does_not_need_airflow(cli, verb):
    assert "--json" in cli("airflow", verb, "--help").stdout


@pytest.mark.parametrize("verb", ["migrate", "reconcile"])
def test_verb_without_airflow_says_what_to_install(cli, verb, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("lamella.airflow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "airflow", None)
    with pytest.raises(ConfigError, match=r"lamella\[airflow\]"):
        cli("airflow", verb)


@pytest.mark.parametrize("days", ["nan", "inf", "1e306", "-1", "a week"])
def test_grace_period_is_a_finite_number_of_days_from_zero_on(cli, days):
    """Beside one that is not a number no object is young, so --delete would take those whose row is on its way."""
    cli("airflow", "reconcile", "--grace-days", days, fails=click.BadParameter)
