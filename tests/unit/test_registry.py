"""Names come from entry points alone; one name has one owner; what is broken is named when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from typing import ClassVar

import pytest

from lamella.build import build_layer, build_store
from lamella.chain import LayerSpec, StoreSpec
from lamella.errors import ConfigError, DuplicatePluginError, UnknownPluginError
from lamella.keys.open import open_provider
from lamella.protocols.key_provider import KeyProvider
from lamella.registry import Registry, installed_registry
from lamella.scope import Address, TaskScope
from lamella.wire.envelope import pack_header
from lamella_layers.compress.zstd import Zstd
from lamella_layers.pad.padme import Padme
from lamella_layers.store.memory import MemoryStore

GROUP = "lamella.layers"


def _point(name, value):
    return EntryPoint(name, value, GROUP)


def test_plugin_is_imported_when_it_is_first_asked_for():
    registry = Registry(layers={"missing": _point("missing", "no_such_module:Layer")})
    with pytest.raises(ConfigError, match=r"layer 'missing' cannot be imported \(No module named 'no_such_module'\)"):
        registry.layer("missing")


@pytest.mark.parametrize("text", ["def", "raise RuntimeError('no licence')"])
def test_plugin_whose_module_fails_is_named(tmp_path, monkeypatch, text):
    (tmp_path / "failing_plugin.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry(layers={"failing": _point("failing", "failing_plugin:Layer")})
    with pytest.raises(ConfigError, match="layer 'failing' cannot be imported") as caught:
        registry.layer("failing")
    assert "no licence" not in str(caught.value)


def test_plugin_whose_class_is_gone_is_named():
    registry = Registry(layers={"gone": _point("gone", "lamella.errors:Layer")})
    with pytest.raises(ConfigError, match="cannot be imported"):
        registry.layer("gone")


@pytest.mark.parametrize("value", ["lamella.errors:LamellaError", "lamella.errors:__all__", "os:system"])
def test_what_is_registered_must_be_a_layer(value):
    with pytest.raises(ConfigError, match="what is registered is no layer"):
        Registry(layers={"odd": _point("odd", value)}).layer("odd")


def test_layer_answers_to_the_name_that_is_registered():
    registry = Registry(layers={"other": _point("other", "lamella_layers.compress.zstd:Zstd")})
    with pytest.raises(ConfigError, match="layer 'other' calls itself 'zstd'"):
        registry.layer("other")


@pytest.mark.parametrize("table", ["layer", "store", "key_provider"])
def test_name_that_nobody_registers_lists_those_that_are(table):
    with pytest.raises(UnknownPluginError, match="installed are: none"):
        getattr(Registry(), table)("unknown")
    with pytest.raises(UnknownPluginError, match=r"installed are: \w+, "):
        getattr(installed_registry(), table)("os.system")


def test_second_owner_of_a_name_is_refused():
    class Mine(Zstd):
        pass

    with pytest.raises(DuplicatePluginError, match="'zstd' is registered twice"):
        installed_registry().with_layers(Mine)
    one = Registry().with_layers(Zstd)
    assert one.with_layers(Zstd).layers == {"zstd": Zstd}
    with pytest.raises(DuplicatePluginError):
        one.with_layers(Padme, Mine)


def test_name_that_an_earlier_release_used_is_not_used_again(monkeypatch):
    monkeypatch.setattr("lamella.registry.RETIRED_NAMES", frozenset({"zstd"}))
    with pytest.raises(DuplicatePluginError, match="an earlier release used the name"):
        Registry().with_layers(Zstd)


def test_two_distributions_with_one_name_stop_every_stack(monkeypatch):
    points = EntryPoints([_point("zstd", "a:A"), _point("zstd", "b:B")])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda: points)
    installed_registry.cache_clear()
    try:
        with pytest.raises(DuplicatePluginError, match="uninstall one"):
            installed_registry()
    finally:
        monkeypatch.undo()
        installed_registry.cache_clear()


def test_object_of_a_plugin_that_cannot_be_imported_is_not_damage(build):
    registry = installed_registry()
    broken = Registry(layers={**registry.layers, "missing": _point("missing", "no_such_module:Layer")})
    stack = build("zstd", registry=broken)
    address = Address(TaskScope("dag", "run", "task"), "key")
    stack.engine.store.put(stack.engine.place(address).head, (pack_header(0, "missing.1"), b"..."))
    with pytest.raises(ConfigError, match="cannot be imported"):
        stack.get_at(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picky(Padme):
    name: ClassVar[str] = "picky"

    level: int = 0

    def __post_init__(self):
        if self.level:
            raise ValueError("s3cr3t")


class PickyStore(MemoryStore):
    @classmethod
    def from_url(cls, url, options):
        raise KeyError(url, options, "s3cr3t")


class PickyProvider(KeyProvider):
    name: ClassVar[str] = "picky"

    @classmethod
    def from_spec(cls, rest):
        raise KeyError(rest)

    def load(self):
        raise NotImplementedError


_PICKY = Registry({"picky": Picky}, {"picky": PickyStore}, {"picky": PickyProvider})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: build_layer("item 1", LayerSpec("picky", (("", "5"),)), _PICKY), "item 1: picky does not take its"),
        (lambda: build_store("stores.main", StoreSpec("picky://", {}), _PICKY), "stores.main: picky does not take its"),
        (lambda: open_provider("picky:s3cr3t", _PICKY), "key provider 'picky' does not take its settings"),
    ],
)
def test_plugin_that_raises_an_error_of_its_own_on_its_settings_is_named(make, said):
    with pytest.raises(ConfigError, match=said) as caught:
        make()
    assert "s3cr3t" not in str(caught.value)
