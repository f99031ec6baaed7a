from __future__ import annotations

import re

import pytest

from lamella.config import build_stack, load_config, open_stack
from lamella.errors import ConfigError, KeyringError, StackOrderError, StackWarning, UnknownPluginError
from lamella.keys.keyring import Keyring

_CHAIN = "padme | cobblestone256 | memory://"
_TWO = {"main": {"url": "memory://"}, "new": {"url": "memory://"}}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chian": "x"}, "argument: unknown setting 'chian'; did you mean 'chain'?"),
        ({"polcy": {"strict": True}}, "argument: unknown setting 'polcy'; did you mean 'policy'?"),
        ({"policy": {"strickt": True}}, "unknown setting 'policy.strickt'; did you mean 'policy.strict'?"),
        ({"limits": {"max_part": 1}}, "unknown setting 'limits.max_part'; did you mean 'limits.max_parts'?"),
        ({"keys": {"deplyment": "x"}}, "unknown setting 'keys.deplyment'; did you mean 'keys.deployment'?"),
        ({"worker": {}}, "argument: unknown setting 'worker'; "),
        ({"Chain": "x"}, "argument: unknown setting 'Chain'; did you mean 'chain'?"),
        ({"stores": {"main": {"a.b": 1}}}, "unknown setting 'stores.main.a.b'"),
        ({"policy": True}, "policy (argument): must be a table"),
        ({"stores": {"main": "memory://"}}, "stores.main (argument): must be a table"),
        ({"policy.strict": True, "policy": {"strict": True}}, "policy.strict (argument): is given twice; remove one"),
        ({"policy": {"strict": 1}}, "policy.strict (argument): must be true or false"),
        ({"limits": {"max_parts": "many"}}, "limits.max_parts (argument): must be a whole number"),
        ({"chain": _CHAIN, "limits": {"max_parts": 0}}, "limits.max_parts must be a whole number above 0"),
        ({"limits": {"max_value_bytes": "8mb"}}, "limits.max_value_bytes (argument): must be a size in bytes"),
        ({"keyring": ""}, "keyring (argument): must be a text that is not empty"),
        ({"keys": {"keyring_id": "12"}}, "keys.keyring_id (argument): must be 16 hexadecimal digits"),
        ({"alias": "Main"}, "alias (argument): must be a letter, then up to 31 of a-z, 0-9, _ and -"),
        ({"alias": "aliases"}, "alias (argument): must be a letter, then up to 31 of a-z, 0-9, _ and -, but not 'al"),
        ({"stores": {"aliases": {"old": "memory://"}}}, "stores.aliases.old (argument): must be a letter"),
        ({"stores": {"main": {"fsync": 1.5}}}, "stores.main.fsync (argument): must be a text, a whole number"),
        ({"policy": {"accept": "0"}}, "must be a list of tables like { strength = 0, until = 2027-01-31 }, in a file"),
        ({"policy": {"accept": [{"strenth": 0}]}}, "unknown setting 'strenth'; did you mean 'strength'?"),
        ({"policy": {"accept": [{"strength": 0}]}}, "policy.accept (argument): until: must be a date like 2027-01-31"),
        ({"policy": {"accept": [{"until": "2027-01-31"}]}}, "strength: must be a whole number"),
        ({"chain": _CHAIN, "layers": ["padme"]}, "chain (argument): give either chain, or layers and store"),
        ({"chain": _CHAIN, "store": "main"}, "chain (argument): give either chain, or layers and store"),
        ({}, 'set LAMELLA__CHAIN, or in lamella.toml: chain = "zstd | padme | cobblestone256 | chunk | sqlite:///'),
        ({"store": "main", "stores": _TWO}, "no layers are configured; set LAMELLA__CHAIN"),
        (
            {"layers": ["padme"]},
            "as in sqlite:///state.db, or in a store of [stores]: unknown store 'main'; there are: none",
        ),
        (
            {"chain": "padme | mian", "stores": _TWO},
            "or in a store of [stores]: unknown store 'mian'; did you mean 'main'?",
        ),
        ({"chain": "padme | no alias", "stores": _TWO}, "or in a store of [stores]: its last item is neither"),
        (
            {"chain": _CHAIN, "stores": _TWO},
            "stores.main.url is given too; end the chain with 'main', or set alias to another name for the new store",
        ),
        (
            {"chain": "padme | new", "alias": "main", "stores": _TWO},
            "alias (argument) is not the store 'new' that the chain ends in; remove alias",
        ),
        ({"chain": _CHAIN, "stores": {"old": {"fsync": "off"}}}, "stores.old has no url; add one, as in url = "),
        (
            {"chain": _CHAIN, "stores": {"old": {}}},
            "stores.old (argument): is empty; give the store a url, or remove it",
        ),
        ({"chain": _CHAIN, "stores": {"old": {"url": "memory"}}}, "stores.old.url: a store URL begins with a scheme"),
        (
            {"chain": "directory://x?fsync=off", "stores": {"main": {"fsync": "full"}}},
            "stores.main: fsync is given in the URL and beside it; remove one",
        ),
    ],
)
def test_configuration_that_cannot_work_is_refused_with_its_fix(settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config(environ={}, settings=settings)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"LAMELLA__CHAN": "x"}, "environment: unknown variable 'LAMELLA__CHAN'; did you mean 'LAMELLA__CHAIN'?"),
        ({"LAMELLA__POLICY__STRIKT": "x"}, "'LAMELLA__POLICY__STRIKT'; did you mean 'LAMELLA__POLICY__STRICT'?"),
        ({"LAMELLA__CONFG": "x"}, "unknown variable 'LAMELLA__CONFG'; did you mean 'LAMELLA__CONFIG'?"),
        ({"lamella__key": "x"}, "unknown variable 'LAMELLA__KEY'; did you mean 'LAMELLA__KEYRING'"),
        ({"LAMELLA__WORKER__STATE_BACKEND": "x"}, "unknown variable 'LAMELLA__WORKER__STATE_BACKEND'; did you mean "),
        ({"LAMELLA__STORES__MAIN": "x"}, "unknown variable 'LAMELLA__STORES__MAIN'; did you mean "),
        ({"LAMELLA__": "x"}, "unknown variable 'LAMELLA__'; did you mean "),
        ({"LAMELLA__POLICY__STRICT": "yes"}, "policy.strict (environment LAMELLA__POLICY__STRICT): must be true or"),
        ({"LAMELLA__LAYERS": "zstd | padme"}, 'must be a list like ["zstd(level=3)", "padme"]; where no list can '),
        ({"LAMELLA__ALIAS": "a", "lamella__alias": "a"}, "alias (environment lamella__alias): is given twice"),
        ({"LAMELLA__CHAIN": ""}, "chain (environment LAMELLA__CHAIN): item 1 must be a store"),
        ({"LAMELLA__CONFIG": "absent.toml"}, "cannot read the configuration absent.toml: No such file or directory"),
        ({"LAMELLA__CONFIG": ""}, "cannot read the configuration"),
    ],
)
def test_environment_that_cannot_work_is_refused_with_its_fix(environ, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config(environ=environ)


def test_named_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file or directory; check the path"):
        load_config(_CHAIN, path=tmp_path / "absent.toml", environ={})


def test_file_that_is_no_toml_is_an_error_with_its_line(tmp_path):
    (tmp_path / "lamella.toml").write_text("chain = 'memory://'\nalias\n")
    with pytest.raises(ConfigError, match=r"the configuration lamella\.toml is not TOML: .*line 2"):
        load_config(environ={})


def test_unknown_key_in_a_file_is_named_with_the_file(tmp_path):
    (tmp_path / "lamella.toml").write_text("[policy]\nstrikt = true\n")
    with pytest.raises(
        ConfigError, match=r"lamella\.toml: unknown setting 'policy\.strikt'; did you mean 'policy\.str"
    ):
        load_config(_CHAIN, environ={})


@pytest.mark.parametrize(
    ("chain", "error", "message"),
    [
        ("padme | cobblestone256 | memry://", UnknownPluginError, "stores.main: unknown store scheme 'memry'; did you"),
        ("padme | cobblestone256 | directory://x?fsnyc=off", ConfigError, "unknown option 'fsnyc'"),
        ("padme | cobblestone256 | directory://x?fsync=maybe", ConfigError, "option fsync is one of off, file, full"),
        (
            "zstd | padme | memory://",
            ConfigError,
            "allow_plaintext = true, or in airflow.cfg: [lamella] allow_plaintext",
        ),
        ("zstd | cobblestone256 | memory://", StackWarning, "better order is: zstd | padme | cobblestone256"),
        ("chunk | chunk | cobblestone256 | memory://", StackOrderError, "a stack splits once at most"),
        ("cobblestone256 | chunk | inline://", StackOrderError, "remove chunk"),
        ("cobblestone256 | chunk(1GiB) | sqlite:///a.db", StackOrderError, "takes up to 335544320; set a smaller part"),
    ],
)
def test_stack_that_cannot_work_is_refused_when_it_is_built(chain, error, message):
    with pytest.raises(error, match=re.escape(message)):
        build_stack(load_config(chain, environ={}), keyring=Keyring.ephemeral())


def test_strict_policy_refuses_what_is_a_warning_otherwise():
    config = load_config("zstd | cobblestone256 | memory://", environ={"LAMELLA__POLICY__STRICT": "true"})
    with pytest.raises(StackOrderError, match="the better order is"):
        build_stack(config, keyring=Keyring.ephemeral())


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("file:absent.keyring", KeyringError, "`lamella keygen --deployment NAME --keyring file:/"),
        ("env:ABSENT_KEYRING", KeyringError, "the environment variable ABSENT_KEYRING is not set"),
        ("absent.keyring", ConfigError, "a keyring spec begins with the name of a key provider, as in file:PATH"),
        ("vault:x", UnknownPluginError, "no key provider is named 'vault'; installed are: env, file"),
    ],
)
def test_keyring_that_cannot_be_opened_is_refused_when_the_stack_is_built(spec, error, message):
    with pytest.raises(error, match=re.escape(message)):
        open_stack(_CHAIN, environ={"LAMELLA__KEYRING": spec})
