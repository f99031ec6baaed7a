"""What every key provider promises, as a pytest class."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lamella.errors import KeyProviderUnavailableError, KeyringError
from lamella.keys.document import pack, unpack
from lamella.keys.edit import add, keygen
from lamella.keys.keyring import Keyring
from lamella.testing.threads import together

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamella.keys.record import KeyringRecord
    from lamella.protocols.key_provider import KeyProvider

__all__ = ["KeyProviderContract"]


class KeyProviderContract:
    """Subclass it and give a `provider` fixture; `plant` too if it is read-only, `unreachable` if it asks a server.

    A writable provider checks each replacement by `lamella.keys.edit.check_successor` in one step with the write, so
    that of two edits made from one document the second is refused.
    """

    @pytest.fixture
    def provider(self) -> KeyProvider:
        """Return a provider of a place that holds nothing yet."""
        raise NotImplementedError("give a fixture `provider`")

    @pytest.fixture
    def plant(self, provider: KeyProvider) -> Callable[[str], None]:
        """Return what puts a document into the place; override it where `save` is refused."""
        return lambda document: provider.save(document, replace=False)

    @pytest.fixture
    def unreachable(self) -> KeyProvider | None:
        """Return a provider whose server does not answer, such as one at a closed port; None without a server."""
        return None

    @pytest.fixture
    def record(self) -> KeyringRecord:
        """Return a new keyring."""
        return keygen("contract", created_at=0)

    def test_empty_place_is_a_keyring_error(self, provider: KeyProvider) -> None:
        with pytest.raises(KeyringError):
            provider.load()

    def test_load_returns_what_the_place_holds(
        self, provider: KeyProvider, plant: Callable[[str], None], record: KeyringRecord
    ) -> None:
        plant(pack(record))
        assert unpack(provider.load()) == record
        assert unpack(provider.load()) == record

    def test_later_load_returns_what_the_place_holds_by_then(
        self, provider: KeyProvider, plant: Callable[[str], None], record: KeyringRecord
    ) -> None:
        plant(pack(record))
        assert unpack(provider.load()) == record
        following = _edited(record)
        if provider.writable:
            provider.save(pack(following), replace=True)
        else:
            plant(pack(following))
        assert unpack(provider.load()) == following

    def test_place_that_does_not_answer_is_unavailable(self, unreachable: KeyProvider | None) -> None:
        if unreachable is not None:
            with pytest.raises(KeyProviderUnavailableError):
                unreachable.load()

    def test_keyring_opens_from_it(
        self, provider: KeyProvider, plant: Callable[[str], None], record: KeyringRecord
    ) -> None:
        plant(pack(record))
        assert Keyring.open(provider).keyring_id == record.keyring_id

    def test_first_document_is_saved_where_the_place_is_writable(
        self, provider: KeyProvider, record: KeyringRecord
    ) -> None:
        assert _saves(provider, record, replace=False) is provider.writable

    def test_new_document_never_overwrites_another(
        self, provider: KeyProvider, plant: Callable[[str], None], record: KeyringRecord
    ) -> None:
        plant(pack(record))
        assert not _saves(provider, keygen("contract", created_at=0), replace=False)
        assert unpack(provider.load()) == record

    def test_next_epoch_replaces_the_document_where_the_place_is_writable(
        self, provider: KeyProvider, plant: Callable[[str], None], record: KeyringRecord
    ) -> None:
        plant(pack(record))
        following = _edited(record)
        assert _saves(provider, following, replace=True) is provider.writable
        assert unpack(provider.load()) == (following if provider.writable else record)

    def test_nothing_replaces_an_empty_place(self, provider: KeyProvider, record: KeyringRecord) -> None:
        assert not _saves(provider, record, replace=True)
        with pytest.raises(KeyringError):
            provider.load()

    def test_document_that_is_not_the_next_epoch_is_refused(
        self, provider: KeyProvider, plant: Callable[[str], None], record: KeyringRecord
    ) -> None:
        plant(pack(record))
        assert not _saves(provider, record, replace=True)
        assert not _saves(provider, _edited(_edited(record)), replace=True)
        assert unpack(provider.load()) == record

    def test_document_of_another_keyring_is_refused(
        self, provider: KeyProvider, plant: Callable[[str], None], record: KeyringRecord
    ) -> None:
        plant(pack(record))
        assert not _saves(provider, _edited(keygen("contract", created_at=0)), replace=True)
        assert unpack(provider.load()) == record

    def test_of_concurrent_edits_one_is_kept_and_the_others_are_refused(
        self, provider: KeyProvider, plant: Callable[[str], None], record: KeyringRecord
    ) -> None:
        plant(pack(record))
        for _ in range(8):
            edits = [_edited(record) for _ in range(8)]
            saved = together([partial(_saves, provider, edit, replace=True) for edit in edits])
            assert sum(saved) == provider.writable
            record = next((edit for edit, kept in zip(edits, saved, strict=True) if kept), record)
            assert unpack(provider.load()) == record


def _edited(record: KeyringRecord) -> KeyringRecord:
    return add(record, "data", created_at=0)


def _saves(provider: KeyProvider, record: KeyringRecord, *, replace: bool) -> bool:
    """Say whether the save is accepted; a refusal is a `KeyringError` that shows no secret."""
    document = pack(record)
    try:
        provider.save(document, replace=replace)
    except KeyringError as refusal:
        shown = f"{refusal!r} {refusal.__cause__!r}"
        assert document.strip() not in shown
        for key in record.keys:
            assert key.secret.hex() not in shown
            assert repr(key.secret) not in shown
            assert base64.b64encode(key.secret).decode() not in shown
        return False
    return True
