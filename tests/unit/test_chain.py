from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from lamella.build import build_layer
from lamella.chain import Chain, LayerSpec, parse_chain, parse_layers, parse_url
from lamella.errors import ConfigError, UnknownPluginError
from lamella.protocols.layer import BytesLayer
from lamella.registry import installed_registry

_REGISTRY = installed_registry()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Toy(BytesLayer):
    name: ClassVar[str] = "toy"

    label: str
    loud: bool = False
    odd: float = 0.5

    def encode(self, source, context):
        del context
        return source

    decode = encode


def _layers(text, registry=_REGISTRY):
    specs = parse_chain("chain", text).layers
    return [build_layer(f"item {number}", spec, registry) for number, spec in enumerate(specs, 1)]


def _toy(text):
    return _layers(text, _REGISTRY.with_layers(_Toy))[0]


def test_bar_inside_quotes_does_not_split():
    assert parse_chain("chain", 'a(b="c|d,e)") | "sqlite:///x|y.db"') == Chain(
        (LayerSpec("a", (("b", "c|d,e)"),)),), "sqlite:///x|y.db"
    )


def test_lone_store_is_a_chain_without_layers():
    assert parse_chain("chain", "memory://") == Chain((), "memory://")


def test_query_of_a_store_url_is_percent_decoded():
    spec = parse_url("chain", "s3://bucket/prefix?endpoint=https%3A%2F%2Fs3.example%3A9000&region=eu%20west")
    assert spec.url == "s3://bucket/prefix"
    assert spec.options == {"endpoint": "https://s3.example:9000", "region": "eu west"}


def test_settings_are_typed_by_the_field_they_are_for():
    assert _toy('toy("a b", loud=TRUE) | memory://') == _Toy(label="a b", loud=True)
    assert _toy("toy(label=12) | memory://").label == "12"


def test_layers_as_tables_and_texts_are_the_same_layers():
    tables = parse_layers("layers", [{"name": "zstd", "level": 5}, {"name": "chunk", "part_bytes": "1MiB"}, "padme"])
    assert [build_layer("item", spec, _REGISTRY) for spec in tables] == _layers(
        "zstd(5) | chunk(part_bytes=1MiB) | padme | memory://"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ztsd | memory://", r"item 1: unknown layer 'ztsd'; did you mean 'zstd'\?"),
        ("padme | Zstd | memory://", r"item 2: unknown layer 'Zstd'; did you mean 'zstd'\?"),
        ("qqqq | memory://", "unknown layer 'qqqq'; there are: .*cobblestone256, padme"),
        ("zstd(lvel=3) | memory://", "item 1: zstd has no setting 'lvel'; it has: level"),
        ("padme(3) | memory://", "item 1: padme has no setting 'without a name'; it has: none"),
        ("zstd(3, level=4) | memory://", "item 1: zstd is given level twice; remove one"),
        ("zstd(level=high) | memory://", "item 1: zstd: level: must be a whole number"),
        ("zstd(level=99) | memory://", "level must be a whole number from -7 to 19"),
        ("chunk(8mib) | memory://", "item 1: chunk: part_bytes: must be a size in bytes, .* as in 8MiB"),
        ("chunk(8 MiB) | memory://", "item 1: setting 1 must be name=value, the value a word or in double quotes"),
        ("zstd(level=3, 4) | memory://", "setting 2 must be name=value.* only the first one may leave out its name"),
        ("zstd(3,) | memory://", "setting 2 must be name=value"),
        ("zstd(3 | memory://", r"item 1 is no layer: write name or name\(setting=value\), as in zstd\(level=3\)"),
        ("| memory://", "item 1 is no layer"),
        ("zstd | | memory://", "item 2 is no layer"),
        ('zstd("3) | memory://', "a double quote is not closed; add the missing one"),
        ("zstd |", "item 2 must be a store: its alias, or its URL as in sqlite:///state.db"),
        ("", "item 1 must be a store"),
        ('memory://"x"', "item 1 must be a store.* quoted as a whole"),
        ("memory:// | zstd", r"item 1 is a store, which ends a chain; quote the whole URL if it holds a '\|'"),
        ("memory://?x", r"what follows '\?' in a store URL is option=value&\.\.\., percent-encoded, each option once"),
        ("memory://?", "each option once"),
        ("memory://?a=1&a=2", "each option once"),
        ("memory://?a=%ff", "percent-encoded"),
    ],
)
def test_error_names_the_item_and_the_fix(text, message):
    with pytest.raises(ConfigError, match=message):
        _layers(text)


def test_unknown_layer_is_an_unknown_plugin():
    with pytest.raises(UnknownPluginError, match="ztsd"):
        _layers("ztsd | memory://")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("toy | memory://", r"item 1: toy needs a label: write toy\(label=\.\.\.\)"),
        ("toy(a, loud=yes) | memory://", "toy: loud: must be true or false"),
        ('toy("") | memory://', "toy: label: must be a text that is not empty"),
        ("toy(a, odd=1) | memory://", "toy: odd: is of a type that no configuration can give; leave it out"),
    ],
)
def test_settings_of_a_plugin_are_checked_when_it_is_built(text, message):
    with pytest.raises(ConfigError, match=message):
        _toy(text)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("zstd | padme", "must be a list like .*; where no list can stand, use chain"),
        ([{"level": 3}], "item 1 is no layer"),
        ([{"name": 3}], "item 1 is no layer"),
        (["padme", 3], "item 2 is no layer"),
        ([{"name": "zstd", "level": [3]}], "item 1: level: must be a text, a whole number, true or false"),
        ([{"name": "zstd", "level": 2**64}], "item 1: level: must be a text, a whole number"),
    ],
)
def test_list_of_layers_says_what_it_wants(value, message):
    with pytest.raises(ConfigError, match=message):
        parse_layers("layers", value)


def test_chain_that_is_no_text_is_refused():
    with pytest.raises(ConfigError, match="chain: must be one line of text"):
        parse_chain("chain", 3)
