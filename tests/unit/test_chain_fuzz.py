from __future__ import annotations

import os
import warnings
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from lamella.build import build_layer
from lamella.chain import Chain, LayerSpec, parse_chain, parse_url
from lamella.config import build_stack, load_config
from lamella.errors import ConfigError, StackWarning
from lamella.keys.keyring import Keyring
from lamella.registry import installed_registry
from lamella_layers.chunk.fixed import Chunk
from lamella_layers.compress.zstd import Zstd
from lamella_layers.encrypt.cobblestone256 import Cobblestone256
from lamella_layers.pad.padme import Padme

_KEYRING = Keyring.ephemeral()
_SPACE = st.sampled_from(["", " ", "  "])


@st.composite
def _written_layers(draw):
    """Draw a layer and one of the ways to write it."""
    level = draw(st.integers(-7, 19))
    mebibytes = draw(st.integers(1, 1024))
    size = draw(
        st.sampled_from([str(mebibytes * 2**20), f"{mebibytes}MiB", f'"{mebibytes} MiB"', f"{mebibytes << 10}KiB"])
    )
    space, other = draw(_SPACE), draw(_SPACE)
    ways = [
        (Zstd(), "zstd"),
        (Zstd(), f"zstd{space}({other})"),
        (Zstd(level=level), f"zstd{space}({other}{level}{space})"),
        (Zstd(level=level), f"zstd({space}level{other}={space}{level}{other})"),
        (Zstd(level=level), f'zstd("{level}")'),
        (Padme(), "padme"),
        (Cobblestone256(), "cobblestone256"),
        (Chunk(part_bytes=mebibytes * 2**20), f"chunk({space}{size}{other})"),
        (Chunk(part_bytes=mebibytes * 2**20), f"chunk(part_bytes{space}={other}{size})"),
    ]
    layer, text = draw(st.sampled_from(ways))
    return layer, f"{space}{text}{other}"


@given(st.lists(_written_layers()))
def test_chain_written_from_valid_layers_parses_back_to_them(written):
    chain = "|".join([*(text for _, text in written), " memory:// "])
    parsed = parse_chain("chain", chain)
    assert [build_layer("item", spec, installed_registry()) for spec in parsed.layers] == [
        layer for layer, _ in written
    ]
    assert parsed.end == "memory://"


_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True).filter(
    lambda name: not any(word in name for word in ("secret", "token", "pass", "pwd", "key", "auth"))
)
_VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"@'))
_SPECS = st.builds(
    lambda name, first, rest: LayerSpec(name, (*(("", value) for value in first), *rest.items())),
    _NAMES,
    st.lists(_VALUES, max_size=1),
    st.dictionaries(_NAMES, _VALUES, max_size=3),
)
_QUERIES = st.dictionaries(_NAMES, _VALUES, max_size=3)


@given(
    st.lists(_SPECS, max_size=4), st.sampled_from(["sqlite:///a.db", "directory:///a|b", "s3://bucket/x y"]), _QUERIES
)
def test_chain_that_is_shown_parses_back_to_the_same_chain(specs, url, options):
    query = str(type(parse_url("", url))("x://", options)).removeprefix("x://")
    chain = Chain(tuple(specs), url + query)
    again = parse_chain("chain", str(chain))
    assert again.layers == chain.layers
    assert parse_url("", again.end) == parse_url("", chain.end)
    assert parse_url("", again.end).options == options


def _refuses_only_with_config_errors(text):
    with warnings.catch_warnings(), suppress(ConfigError):
        warnings.simplefilter("ignore", StackWarning)
        build_stack(load_config(text, environ={}, path=os.devnull), keyring=_KEYRING)


@given(st.text())
def test_any_text_is_a_chain_or_a_config_error(text):
    _refuses_only_with_config_errors(text)


_WORDS = "zstd padme cobblestone256 chunk level memory:// s3://b sqlite:///x inline:// 3 -1 8MiB %ff"
_TOKENS = [*_WORDS.split(), *'|()=,"?&% ', "\n", "\0", "\udcff"]


@given(
    st.lists(
        st.sampled_from(_TOKENS),
        max_size=16,
    )
)
def test_any_mix_of_tokens_is_a_chain_or_a_config_error(tokens):
    _refuses_only_with_config_errors("".join(tokens))
