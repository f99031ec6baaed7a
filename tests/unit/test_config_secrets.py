from __future__ import annotations

import traceback

import pytest

from lamella.chain import parse_chain
from lamella.config import build_stack, load_config, open_stack
from lamella.doors import Given
from lamella.errors import ConfigError, LamellaError
from lamella.keys.keyring import Keyring

_CANARY = "CANARYcanary0123"
_QUERY = f"access_key_id={_CANARY}&secret_access_key={_CANARY}&session_token={_CANARY}&region=eu"
_URL = f"s3://me:{_CANARY}@bucket/prefix?{_QUERY}"
_OPTIONS = {
    "access_key_id": _CANARY,
    "secret_access_key": _CANARY,
    "session_token": _CANARY,
    "password": _CANARY,
    "endpoint": f"https://me:{_CANARY}@host",
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _shown(config):
    parts = (config, config.stores, config.layers, *config.stores.values(), *config.shown.items())
    return [text for part in parts for text in (repr(part), str(part))]


_ENVIRONMENT = {f"LAMELLA__STORES__MAIN__{name.upper()}": value for name, value in _OPTIONS.items()}


@pytest.mark.parametrize(
    ("environ", "settings"),
    [
        ({"LAMELLA__CHAIN": f"padme | {_URL}"}, {}),
        ({}, {"layers": [f'padme(password="{_CANARY}")'], "store": _URL}),
        ({}, {"layers": [{"name": "padme", "secret": _CANARY}], "stores": {"main": {"url": _URL}}}),
        ({}, {"chain": "padme | main", "stores": {"main": {"url": "s3://bucket", **_OPTIONS}}}),
        ({"LAMELLA__CHAIN": "s3://bucket", **_ENVIRONMENT}, {}),
        ({"LAMELLA__CHAIN": "memory://", "LAMELLA__KEYRING": f"lamella-keyring:1:{_CANARY}"}, {}),
        ({"LAMELLA__CHAIN": "memory://", "LAMELLA__KEYRING": f"vault://{_CANARY}@host"}, {}),
        ({"LAMELLA__CHAIN": "memory://", "LAMELLA__KEYRING": f"env:{_CANARY}=="}, {}),
        ({"LAMELLA__CHAIN": "memory://", "LAMELLA__KEYRING": _CANARY}, {}),
    ],
)
def test_effective_configuration_shows_no_credential(environ, settings):
    config = load_config(environ=environ, settings=settings)
    shown = _shown(config)
    assert any("***" in text for text in shown)
    assert not [text for text in shown if _CANARY in text]


def test_what_is_no_credential_is_shown():
    config = load_config(f"padme | {_URL}", environ={"LAMELLA__KEYRING": "env:MY_SECRET"})
    assert config.shown["chain"] == (
        "padme | s3://***@bucket/prefix?access_key_id=***&secret_access_key=***&session_token=***&region=eu"
    )
    assert config.shown["keyring"] == "env:MY_SECRET"


def test_credential_reaches_the_store_all_the_same():
    assert load_config(_URL, environ={}).stores["main"].options["secret_access_key"] == _CANARY


def test_setting_that_a_host_hands_on_shows_where_it_came_from_and_no_credential():
    assert repr(Given(_URL, "[lamella] chain")) == "Given('[lamella] chain')"


def test_parsed_chain_shows_no_credential():
    assert _CANARY not in f"{parse_chain('chain', _URL)!r} {parse_chain('chain', _URL)}"


_BROKEN = [
    ({"LAMELLA__CHAIN": f"{_URL} | padme"}, {}),
    ({"LAMELLA__CHAIN": f"padme | {_URL}|{_CANARY}"}, {}),
    ({"LAMELLA__CHAIN": f'padme | "{_URL}'}, {}),
    ({"LAMELLA__CHAIN": f"padme | {_URL}&{_QUERY}"}, {}),
    ({"LAMELLA__CHAIN": f"padme | {_URL}&{_CANARY}"}, {}),
    ({"LAMELLA__CHAIN": f"padme | {_URL}&fsync=off"}, {}),
    ({"LAMELLA__CHAIN": f"padme | s4{_URL[2:]}"}, {}),
    ({"LAMELLA__CHAIN": f"padme | sqlite{_URL[2:]}"}, {}),
    ({"LAMELLA__CHAIN": f"padme | {_CANARY} {_CANARY}"}, {}),
    ({"LAMELLA__CHAIN": f"zstd(level={_CANARY}) | memory://"}, {}),
    ({"LAMELLA__CHAIN": f"zstd({_CANARY}, {_CANARY}) | memory://"}, {}),
    ({"LAMELLA__CHAIN": f"zstd(3 {_CANARY} | memory://"}, {}),
    ({"LAMELLA__CHAIN": "memory://", "LAMELLA__POLICY__STRICT": _CANARY}, {}),
    ({"LAMELLA__CHAIN": "memory://", "LAMELLA__LIMITS__MAX_PARTS": _CANARY}, {}),
    ({"LAMELLA__CHAIN": "memory://", "LAMELLA__LIMITS__MAX_VALUE_BYTES": _CANARY}, {}),
    ({"LAMELLA__CHAIN": "memory://", "LAMELLA__KEYS__KEYRING_ID": _CANARY}, {}),
    ({"LAMELLA__CHAIN": "memory://", "LAMELLA__SECRET": _CANARY}, {}),
    ({"LAMELLA__CHAIN": "memory://", "LAMELLA__POLICY__ACCEPT": _CANARY}, {}),
    ({"LAMELLA__CHAIN": "memory://", "LAMELLA__ALIAS": _CANARY}, {}),
    ({"LAMELLA__CHAIN": "s3://bucket", **_ENVIRONMENT}, {}),
    ({}, {"layers": [_URL], "store": "main"}),
    ({}, {"layers": [_CANARY + "!"], "store": "main"}),
    ({}, {"layers": ["padme"], "store": f"{_URL}&{_QUERY}"}),
    ({}, {"chain": "memory://", "stores": {"main": {"url": _URL}}}),
    ({}, {"chain": "memory://", "stores": {"aliases": {"url": _URL}}}),
    ({}, {"chain": "memory://", "stores": {"old": {"url": _CANARY}}}),
    ({}, {"chain": _URL, "stores": {"main": {"session_token": _CANARY}}}),
    ({}, {"chain": "memory://", "stores": {"old": _URL}}),
    ({}, {"chain": "memory://", "policy": {"accept": [{"strength": _CANARY, "until": _CANARY}]}}),
    ({"LAMELLA__CHAIN": "cobblestone256 | memory://", "LAMELLA__KEYRING": f"lamella-keyring:1:{_CANARY}"}, {}),
    ({"LAMELLA__CHAIN": "cobblestone256 | memory://", "LAMELLA__KEYRING": f"env:{_CANARY}=="}, {}),
    ({"LAMELLA__CHAIN": "cobblestone256 | memory://", "LAMELLA__KEYRING": _CANARY}, {}),
    ({"LAMELLA__CHAIN": "cobblestone256 | memory://", "LAMELLA__KEYRING": "env:MY_SECRET"}, {}),
]


@pytest.mark.parametrize(("environ", "settings"), _BROKEN)
def test_error_of_a_configuration_holds_no_credential(environ, settings, monkeypatch):
    monkeypatch.setenv("MY_SECRET", f"lamella-keyring:1:{_CANARY}:{_CANARY}")
    with pytest.raises(LamellaError) as caught:
        open_stack(environ=environ, settings=settings)
    assert _CANARY not in "".join(traceback.format_exception(caught.value))


def test_error_in_a_file_holds_no_credential(tmp_path):
    (tmp_path / "lamella.toml").write_text(f'[stores.main]\nsecret_access_key = "{_CANARY}\n')
    with pytest.raises(LamellaError, match="is not TOML") as caught:
        load_config(environ={})
    assert _CANARY not in "".join(traceback.format_exception(caught.value))


def test_stack_shows_no_credential():
    config = load_config(f"padme | cobblestone256 | s3://bucket/prefix?{_QUERY}", environ={})
    stack = build_stack(config, keyring=Keyring.ephemeral())
    assert _CANARY not in f"{stack!r} {stack.engine.store!r}"


def test_credential_before_the_bucket_is_refused_and_not_shown():
    config = load_config(f"padme | cobblestone256 | {_URL}", environ={})
    with pytest.raises(ConfigError, match="an s3 store needs a bucket") as caught:
        build_stack(config, keyring=Keyring.ephemeral())
    assert _CANARY not in str(caught.value)
