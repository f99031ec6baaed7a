"""Every installed layer, ours and anyone's, keeps the contract."""

from __future__ import annotations

from importlib.metadata import entry_points
from operator import attrgetter

import pytest

from lamella.protocols.layer import BytesLayer, SplitLayer
from lamella.testing import LayerContract, SplitLayerContract

INSTALLED = sorted((entry.load() for entry in entry_points(group="lamella.layers")), key=attrgetter("name"))
FROM_BYTES_TO_BYTES = [each for each in INSTALLED if issubclass(each, BytesLayer)]
SPLITTING = [each for each in INSTALLED if issubclass(each, SplitLayer)]


class TestBytesLayers(LayerContract):
    @pytest.fixture(params=FROM_BYTES_TO_BYTES, ids=attrgetter("name"))
    def layer(self, request):
        return request.param()


class TestSplitLayers(SplitLayerContract):
    @pytest.fixture(params=SPLITTING, ids=attrgetter("name"))
    def layer(self, request):
        return request.param()


def test_every_registered_name_is_the_name_of_its_layer():
    assert {entry.name: entry.load().name for entry in entry_points(group="lamella.layers")} == {
        each.name: each.name for each in INSTALLED
    }


def test_every_installed_layer_is_of_one_of_the_two_kinds():
    assert {"zstd", "padme", "cobblestone256"} <= {each.name for each in FROM_BYTES_TO_BYTES}
    assert "chunk" in {each.name for each in SPLITTING}
    assert len(FROM_BYTES_TO_BYTES) + len(SPLITTING) == len(INSTALLED)
