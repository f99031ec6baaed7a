from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from lamella.keys.providers import EnvKeyProvider, FileKeyProvider
from lamella.registry import installed_registry
from lamella.testing import KeyProviderContract


class TestFileKeyProvider(KeyProviderContract):
    @pytest.fixture
    def provider(self, tmp_path):
        return FileKeyProvider.from_spec(str(tmp_path / "lamella.keyring"))


class TestEnvKeyProvider(KeyProviderContract):
    @pytest.fixture
    def provider(self):
        return EnvKeyProvider.from_spec("LAMELLA_TEST_KEYRING_DOCUMENT")

    @pytest.fixture
    def plant(self, monkeypatch):
        return lambda document: monkeypatch.setenv("LAMELLA_TEST_KEYRING_DOCUMENT", document)


@pytest.mark.parametrize(
    "name",
    [
        each.name
        for each in entry_points(group="lamella.key_providers")
        if each.value.startswith(("lamella.", "lamella_"))
    ],
)
def test_every_first_party_key_provider_is_held_to_the_contract(name):
    suite = globals()[f"Test{installed_registry().key_provider(name).__name__}"]
    assert issubclass(suite, KeyProviderContract)


def test_this_distribution_registers_key_providers():
    assert {"env", "file"} <= {each.name for each in entry_points(group="lamella.key_providers")}
