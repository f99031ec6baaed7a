"""What the options of `[lamella]` may say, beyond what Lamella's own configuration refuses."""

from __future__ import annotations

from importlib import import_module

import pytest
from airflow_harness.server import serving

from lamella.errors import ConfigError


@pytest.fixture(scope="module", autouse=True)
def _process(make_home):
    with serving(make_home()):
        yield


@pytest.fixture
def settings():
    return import_module("lamella.airflow.settings")


@pytest.mark.parametrize(("text", "value"), [("True", True), ("t", True), ("1", True), ("FALSE", False), ("0", False)])
def test_booleans_are_read_in_airflows_words(settings, monkeypatch, text, value):
    monkeypatch.setenv("AIRFLOW__LAMELLA__STRICT", text)
    assert settings.read_settings().stack["policy.strict"] is value


def test_other_word_for_a_boolean_is_refused(settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LAMELLA__STRICT", "yes please")
    with pytest.raises(ConfigError, match=r"\[lamella\] strict"):
        settings.read_settings()


def test_memory_store_of_a_worker_is_warned_of(settings, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__LAMELLA__CHAIN", "cobblestone256 | memory://")
    settings.open_worker_stack()
    (record,) = [record for record in caplog.records if record.name == "lamella.airflow"]
    assert record.levelname == "WARNING"
    assert "ends with this process" in record.getMessage()
