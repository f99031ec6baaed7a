from __future__ import annotations

import datetime as dt
from itertools import combinations

import pytest

from lamella.chain import LayerSpec
from lamella.config import load_config
from lamella.doors import SETTINGS, Given
from lamella.errors import ConfigError
from lamella.limits import Limits
from lamella.policy import Accept, Policy

_CHAIN = "zstd | padme | cobblestone256 | memory://"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path):
    """Write the configuration file of the working directory, and return its path."""

    def write_text(text, name="lamella.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_text


def _load(chain=None, environ=None, **rest):
    return load_config(chain, environ=environ or {}, **rest)


_DOORS = {
    "argument": ("argument", 4),
    "environment": ("environment LAMELLA__LIMITS__MAX_PARTS", 3),
    "file": ("lamella.toml", 2),
    "default": ("default", Limits().max_parts),
}


@pytest.mark.parametrize(("stronger", "weaker"), [*combinations(_DOORS, 2)])
def test_stronger_door_wins(stronger, weaker, write):
    used = {stronger, weaker}
    write("[limits]\nmax_parts = 2\n" if "file" in used else "")
    environ = {"LAMELLA__LIMITS__MAX_PARTS": "3"} if "environment" in used else {}
    settings = {"limits": {"max_parts": 4}} if "argument" in used else {}
    config = _load(_CHAIN, environ, settings=settings)
    assert (config.origins["limits.max_parts"], config.limits.max_parts) == _DOORS[stronger]
    assert config.shown["limits.max_parts"] == _DOORS[stronger][1]


def test_argument_may_say_itself_where_its_value_came_from():
    config = _load(_CHAIN, settings={"limits.max_parts": Given("4", "a host's option")})
    assert (config.limits.max_parts, config.origins["limits.max_parts"]) == (4, "a host's option")
    with pytest.raises(ConfigError, match=r"^alias \(a host's option\): must be a letter"):
        _load(_CHAIN, settings={"alias": Given("Main", "a host's option")})


def test_doors_give_one_configuration_together(write):
    path = write('chain = "padme | cobblestone256 | main"\n[stores.main]\nurl = "sqlite:///a.db"\n')
    environ = {"LAMELLA__STORES__MAIN__SYNCHRONOUS": "off"}
    config = _load(None, environ, path=path, settings={"stores": {"main": {"busy_timeout_ms": 9}}})
    assert config.stores["main"].url == "sqlite:///a.db"
    assert config.stores["main"].options == {"synchronous": "off", "busy_timeout_ms": "9"}
    assert {name: origin for name, origin in config.origins.items() if origin != "default"} == {
        "chain": str(path),
        "stores.main.url": str(path),
        "stores.main.synchronous": "environment LAMELLA__STORES__MAIN__SYNCHRONOUS",
        "stores.main.busy_timeout_ms": "argument",
    }


def test_chain_argument_is_stronger_than_one_in_settings():
    assert _load("padme | memory://", settings={"chain": _CHAIN}).layers == (LayerSpec("padme"),)


def test_environment_of_the_process_is_the_default(monkeypatch):
    monkeypatch.setenv("LAMELLA__CHAIN", "padme | memory://")
    assert load_config().layers == (LayerSpec("padme"),)


def test_names_in_the_environment_are_case_insensitive():
    config = _load(None, {"lamella__chain": _CHAIN, "Lamella__Keys__Deployment": "Prod", "PATH": "x", "LAMELLA": "x"})
    assert config.deployment == "Prod"


def test_file_is_named_by_argument_then_environment_then_convention(write):
    by_argument = write(f'chain = "{_CHAIN}"\nalias = "a"', "a.toml")
    by_environment = write(f'chain = "{_CHAIN}"\nalias = "b"', "b.toml")
    write(f'chain = "{_CHAIN}"\nalias = "c"')
    environ = {"LAMELLA__CONFIG": str(by_environment)}
    assert _load(path=by_argument, environ=environ).alias == "a"
    assert _load(environ=environ).alias == "b"
    assert _load().alias == "c"
    assert _load(environ=environ).origins["alias"] == str(by_environment)
    assert _load().origins["alias"] == "lamella.toml"


def test_no_file_is_needed():
    assert _load(_CHAIN).origins["chain"] == "argument"


def test_every_setting_can_be_given_in_a_file(write):
    write("""
        layers = ["zstd(level=5)", { name = "chunk", part_bytes = "8MiB" }]
        store = "main"
        alias = "main"
        keyring = "env:KEYRING"
        [keys]
        deployment = "prod"
        keyring_id = "00112233aabbccdd"
        min_epoch = 3
        [policy]
        allow_plaintext = true
        strict = true
        require_fips = true
        accept = [{ strength = 0, until = 2027-01-31 }, { strength = 100, until = "2028-02-29" }]
        [limits]
        max_value_bytes = "8MiB"
        max_stream_bytes = "1GB"
        max_ratio = 2
        max_layers = 3
        max_parts = 4
        max_ref_chars = 500
        max_inline_bytes = 1024
        max_nesting = 5
        [stores.main]
        url = "sqlite:///state.db"
        [stores.aliases]
        old = "main"
        [workers]
        state_backend = "lamella.state.LayeredStateBackend"
    """)
    config = _load()
    assert config.layers == (LayerSpec("zstd", (("level", "5"),)), LayerSpec("chunk", (("part_bytes", "8MiB"),)))
    assert (config.alias, config.keyring, dict(config.renamed)) == ("main", "env:KEYRING", {"old": "main"})
    assert config.stores["main"].url == "sqlite:///state.db"
    assert (config.deployment, config.keyring_id, config.min_epoch) == ("prod", bytes.fromhex("00112233aabbccdd"), 3)
    assert config.policy == Policy(
        allow_plaintext=True,
        strict=True,
        require_fips=True,
        accept=(
            Accept(strength=0, until=dt.date(2027, 1, 31)),
            Accept(strength=100, until=dt.date(2028, 2, 29)),
        ),
    )
    assert config.limits == Limits(
        max_value_bytes=8 * 2**20,
        max_stream_bytes=10**9,
        max_ratio=2,
        max_layers=3,
        max_parts=4,
        max_ref_chars=500,
        max_inline_bytes=1024,
        max_nesting=5,
    )
    assert set(config.origins) == {*SETTINGS, "stores.main.url", "stores.aliases.old"} - {"chain"}
    assert set(config.origins.values()) == {"lamella.toml"}
    assert config.shown.keys() == config.origins.keys()


def test_defaults_are_those_of_the_parts():
    config = _load(_CHAIN)
    assert (config.policy, config.limits) == (Policy(), Limits())
    assert (config.alias, config.keyring, config.min_epoch) == ("main", "file:lamella.keyring", 0)
    assert (config.deployment, config.keyring_id, dict(config.renamed)) == (None, None, {})


def test_chain_that_ends_in_a_url_defines_the_store_that_alias_names():
    config = _load(
        "padme | s3://bucket/prefix?region=eu",
        {"LAMELLA__STORES__NEW__ENDPOINT": "https://h"},
        settings={"alias": "new"},
    )
    assert config.alias == "new"
    assert config.stores["new"].url == "s3://bucket/prefix"
    assert config.stores["new"].options == {"region": "eu", "endpoint": "https://h"}


def test_chain_that_ends_in_a_store_writes_under_its_alias():
    config = _load("padme | new", settings={"stores": {"new": {"url": "memory://"}, "old": {"url": "memory://"}}})
    assert (config.alias, set(config.stores)) == ("new", {"new", "old"})


def test_layers_without_a_store_write_to_the_one_that_alias_names():
    stores = {"main": {"url": "memory://"}, "new": {"url": "memory://"}}
    assert _load(settings={"layers": ["padme"], "stores": stores}).alias == "main"
    assert _load(settings={"layers": ["padme"], "stores": stores, "alias": "new"}).alias == "new"


def test_chain_of_a_stronger_door_replaces_layers_and_store_of_a_weaker_one(write):
    write('layers = ["padme"]\nstore = "main"\n[stores.main]\nurl = "memory://"\n')
    config = _load("zstd | main")
    assert config.layers == (LayerSpec("zstd"),)
    assert not {"layers", "store"} & config.origins.keys()


def test_layers_of_a_stronger_door_replace_the_chain_of_a_weaker_one(write):
    write('chain = "zstd | main"\n[stores.main]\nurl = "memory://"\n')
    config = _load(settings={"layers": ["padme"]})
    assert config.layers == (LayerSpec("padme"),)
    assert "chain" not in config.origins


def test_store_of_a_stronger_door_replaces_the_store_of_a_weaker_one(write):
    write('layers = ["padme"]\nstore = "main"\n[stores.main]\nurl = "memory://"\n[stores.new]\nurl = "memory://"\n')
    assert _load(environ={"LAMELLA__STORE": "new"}).alias == "new"


def test_dotted_names_in_settings_are_the_tables_of_a_file():
    dotted = _load(_CHAIN, settings={"policy.strict": True, "stores.old.url": "memory://"})
    assert dotted == _load(_CHAIN, settings={"policy": {"strict": True}, "stores": {"old": {"url": "memory://"}}})


def test_configuration_cannot_be_changed():
    config = _load(_CHAIN)
    with pytest.raises(AttributeError):
        config.alias = "other"
    for table in (config.stores, config.origins, config.shown, config.renamed, config.stores["main"].options):
        with pytest.raises(TypeError):
            table["x"] = "y"
