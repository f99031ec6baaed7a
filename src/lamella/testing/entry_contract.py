"""What both kinds of layer promise about their settings and their manifest entry."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from lamella.errors import ManifestRefusedError
from lamella.protocols.layer import Entry

if TYPE_CHECKING:
    from lamella.protocols.layer import Layer

__all__ = ["EntryContract"]


class EntryContract:
    """The part of the contract that the two kinds of layer share."""

    @pytest.fixture
    def layer(self) -> Layer:
        """Return the layer under test."""
        raise NotImplementedError("override the `layer` fixture to return the layer under test")

    def test_settings_are_frozen_slotted_and_given_by_name(self, layer: Layer) -> None:
        assert dataclasses.is_dataclass(layer)
        assert type(layer).__dataclass_params__.frozen
        assert not hasattr(layer, "__dict__")
        assert all(setting.kw_only for setting in dataclasses.fields(layer))
        assert layer == dataclasses.replace(layer)

    def test_entry_can_stand_in_a_manifest(self, layer: Layer) -> None:
        entry = layer.entry()
        assert isinstance(entry, Entry)
        assert entry.name == layer.name
        assert re.fullmatch("[a-z][a-z0-9_]{0,31}", entry.name)
        assert 1 <= entry.version <= 255
        assert list(entry.params) == sorted(dict(entry.params).items())
        assert all(re.fullmatch("[a-z][a-z0-9_]{0,31}", name) for name, _ in entry.params)
        assert all(re.fullmatch("[A-Za-z0-9_-]{1,64}", value) for _, value in entry.params)

    def test_layer_built_from_an_entry_has_that_entry(self, layer: Layer) -> None:
        decoder = type(layer).from_entry(layer.entry())
        assert isinstance(decoder, type(layer))
        assert decoder.entry() == layer.entry()

    def test_unknown_version_is_refused(self, layer: Layer) -> None:
        with pytest.raises(ManifestRefusedError):
            type(layer).from_entry(layer.entry()._replace(version=255))

    def test_unknown_parameter_is_refused(self, layer: Layer) -> None:
        entry = layer.entry()
        params = tuple(sorted((*entry.params, ("zz_unknown", "1"))))
        with pytest.raises(ManifestRefusedError):
            type(layer).from_entry(entry._replace(params=params))
