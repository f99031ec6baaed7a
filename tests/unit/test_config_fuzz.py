from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.config import load_config
from lamella.doors import SETTINGS
from lamella.errors import ConfigError

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.text(max_size=8),
    st.just("memory://"),
    st.just("main"),
)
_WORDS = st.sampled_from(
    [*SETTINGS, "keys", "policy", "limits", "stores", "aliases", "main", "url", "accept", "strict", "name"]
)
_KEYS = _WORDS | st.text(max_size=4)
_TREES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)


def _loads_or_refuses(**doors):
    try:
        config = load_config(**{"environ": {}, "path": os.devnull, **doors})
    except ConfigError:
        return
    assert repr(config)
    assert config.shown.keys() == config.origins.keys()


@given(st.dictionaries(_KEYS, _TREES, max_size=5))
def test_any_settings_load_or_are_a_config_error(settings):
    _loads_or_refuses(settings={"chain": "main", "stores": {"main": {"url": "memory://"}}} | settings)


_VARIABLES = st.sampled_from([f"LAMELLA__{name.upper().replace('.', '__')}" for name in SETTINGS])


@given(st.dictionaries(_VARIABLES | st.text(max_size=6).map("LAMELLA__{}".format), st.text(max_size=12), max_size=4))
def test_any_environment_loads_or_is_a_config_error(environ):
    _loads_or_refuses(chain="memory://", environ=environ)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("configuration") / "lamella.toml"


_TOKENS = st.sampled_from(
    [
        b"chain",
        b"=",
        b'"',
        b"memory://",
        b"[",
        b"]",
        b"stores.main",
        b"\n",
        b".",
        b"{",
        b"}",
        b",",
        b"1",
        b"\xff",
        b"'",
        b"#",
    ]
)


@given(st.binary(max_size=40) | st.lists(_TOKENS, max_size=20).map(b"".join))
def test_any_bytes_in_a_file_load_or_are_a_config_error(scratch, raw):
    scratch.write_bytes(raw)
    _loads_or_refuses(chain="memory://", path=scratch)


@pytest.mark.parametrize(
    "text",
    [f"a = {'[' * 100_000}", f"{'a.' * 1000}a = 1", f"a = {'9' * 10_000}", f"keys.min_epoch = 0x{'f' * 10_000}"],
    ids=["nested", "dotted", "decimal", "hexadecimal"],
)
def test_hostile_file_is_a_config_error(scratch, text):
    scratch.write_text(text)
    with pytest.raises(ConfigError):
        load_config("memory://", environ={}, path=scratch)
