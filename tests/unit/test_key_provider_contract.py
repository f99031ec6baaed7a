"""The key provider contract fails for providers that break it."""

from __future__ import annotations

import pytest

from lamella.errors import KeyringError
from lamella.keys.edit import keygen
from lamella.protocols.key_provider import KeyProvider
from lamella.testing import KeyProviderContract


class Remembering(KeyProvider):
    """Reads its place once."""

    name = "remembering"

    def __init__(self):
        self.place = None
        self._read = None

    @classmethod
    def from_spec(cls, rest):
        del rest
        return cls()

    def load(self):
        self._read = self._read or self.place
        if self._read is None:
            raise KeyringError("no keyring there")
        return self._read


def test_provider_that_reads_its_place_once_is_caught():
    provider = Remembering()
    with pytest.raises(AssertionError):
        KeyProviderContract().test_later_load_returns_what_the_place_holds_by_then(
            provider, lambda document: setattr(provider, "place", document), keygen("contract", created_at=0)
        )


def test_place_that_is_away_must_not_look_empty():
    with pytest.raises(KeyringError, match="no keyring there"):
        KeyProviderContract().test_place_that_does_not_answer_is_unavailable(Remembering())
