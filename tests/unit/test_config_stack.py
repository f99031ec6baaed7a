from __future__ import annotations

import pytest

from lamella.config import build_stack, load_config, open_stack
from lamella.errors import ConfigError, ManifestRefusedError, ObjectNotFoundError
from lamella.keys.document import pack
from lamella.keys.edit import keygen
from lamella.keys.keyring import Keyring
from lamella.keys.providers import FileKeyProvider
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella_layers.compress.zstd import Zstd
from lamella_layers.store.memory import MemoryStore

_SCOPE = TaskScope("dag", "run", "task", 3)
_ADDRESS = Address(_SCOPE, "key")
_VALUE = {"rows": list(range(100)), "text": "é" * 1000}
_CHAIN = "zstd | padme | cobblestone256 | chunk(64KiB) | sqlite:///a.db"

_FIRST = f'chain = "{_CHAIN}"\n'
_SECOND = """
layers = ["chunk", { name = "zstd", level = 9 }, "padme", "cobblestone256"]
store = "new"
[stores.new]
url = "directory://b"
fsync = "off"
[stores.main]
url = "sqlite:///a.db"
synchronous = "off"
"""


@pytest.fixture(autouse=True)
def record(tmp_path, monkeypatch):
    """Make the keyring that every configuration of a test finds by default."""
    monkeypatch.chdir(tmp_path)
    made = keygen("prod", created_at=1)
    FileKeyProvider("lamella.keyring").save(pack(made), replace=False)
    return made


@pytest.fixture
def opened(tmp_path):
    """Open the stack of a configuration file, and close it when the test ends."""
    stacks = []

    def open_text(text):
        path = tmp_path / f"{len(stacks)}.toml"
        path.write_text(text)
        stacks.append(open_stack(path=path, environ={}))
        return stacks[-1]

    yield open_text
    for stack in stacks:
        stack.close()


def _locators(stack):
    return {alias: [row.locator for row in store.list("o1/")] for alias, store in stack.engine.stores.items()}


def test_stack_of_another_order_and_store_reads_what_the_first_one_wrote(opened):
    ref = opened(_FIRST).put(_ADDRESS, _VALUE)
    assert opened(_SECOND).get(ref, expect=_ADDRESS) == _VALUE


def test_store_that_was_renamed_is_found_by_refs_of_its_old_name(opened):
    ref = opened(_FIRST).put(_ADDRESS, _VALUE)
    renamed = opened(_FIRST + 'alias = "archive"\n[stores.aliases]\nmain = "archive"\n')
    assert renamed.get(ref) == _VALUE


def test_store_that_is_not_listed_is_not_read(opened):
    ref = opened(_FIRST).put(_ADDRESS, _VALUE)
    alone = _SECOND.partition("[stores.main]")[0]
    with pytest.raises(ManifestRefusedError, match="the store 'main', which this configuration lacks"):
        opened(alone).get(ref)


@pytest.mark.parametrize("verb", ["delete", "clear"])
def test_delete_and_clear_act_on_every_listed_store(opened, verb):
    first, second = opened(_FIRST), opened(_SECOND)
    refs = [first.put(_ADDRESS, _VALUE), second.put(_ADDRESS, _VALUE)]
    assert [len(found) for found in _locators(second).values()] == [1, 1]
    if verb == "delete":
        second.delete(_ADDRESS)
    else:
        second.clear(_SCOPE)
    assert list(_locators(second).values()) == [[], []]
    for ref in refs:
        with pytest.raises(ObjectNotFoundError):
            second.get(ref)


def test_accepted_weakness_is_read_and_no_other(opened):
    plain = f'chain = "{_CHAIN.replace("cobblestone256 | ", "")}"\npolicy.allow_plaintext = true\n'
    ref = opened(plain).put(_ADDRESS, _VALUE)
    with pytest.raises(ManifestRefusedError):
        opened(_FIRST).get(ref)
    assert opened(_FIRST + "[policy]\naccept = [{ strength = 0, until = 9999-12-31 }]\n").get(ref) == _VALUE


def test_nothing_is_opened_before_the_first_use(opened, tmp_path):
    before = set(tmp_path.iterdir())
    opened(_SECOND)
    assert {path.name for path in set(tmp_path.iterdir()) - before} == {"0.toml"}


@pytest.mark.parametrize(
    ("pin", "value"), [("deployment", "staging"), ("keyring_id", "0011223344556677"), ("min_epoch", "2")]
)
def test_keyring_that_is_not_the_pinned_one_is_refused(pin, value):
    with pytest.raises(ConfigError, match="the configuration"):
        open_stack(_CHAIN, environ={f"LAMELLA__KEYS__{pin.upper()}": value})


def test_keyring_that_is_the_pinned_one_is_taken(record):
    pins = {"deployment": "prod", "keyring_id": record.keyring_id.hex(), "min_epoch": 1}
    assert open_stack(_CHAIN, environ={}, settings={"keys": pins}).engine.keyring.keyring_id == record.keyring_id


def test_keyring_in_the_environment_is_read_from_the_variable_that_the_spec_names(record, monkeypatch):
    monkeypatch.setenv("MY_SECRET", pack(record))
    stack = open_stack(_CHAIN, environ={"LAMELLA__KEYRING": "env:MY_SECRET"})
    assert stack.engine.keyring.keyring_id == record.keyring_id


def test_keyring_that_is_given_takes_the_place_of_the_configured_one():
    config = load_config(_CHAIN, environ={"LAMELLA__KEYRING": "file:absent"})
    keyring = Keyring.ephemeral()
    assert build_stack(config, keyring=keyring).engine.keyring is keyring


def test_limits_and_policy_reach_the_stack():
    settings = {"limits": {"max_parts": 7}, "policy": {"strict": True}}
    engine = open_stack(_CHAIN, environ={}, settings=settings).engine
    assert (engine.limits.max_parts, engine.policy.strict) == (7, True)


def test_registry_that_is_given_decides_what_a_name_is():
    class _Zstd(Zstd):
        name = "zstd2"

    class _Elsewhere(MemoryStore):
        scheme = "elsewhere"

    installed = installed_registry().with_layers(_Zstd)
    registry = type(installed)(installed.layers, {"elsewhere": _Elsewhere}, installed.key_providers)
    config = load_config("zstd2(5) | padme | cobblestone256 | elsewhere://", environ={})
    assert isinstance(build_stack(config, registry=registry).engine.store, _Elsewhere)


def test_inline_chain_keeps_the_value_in_the_ref():
    stack = open_stack("zstd | padme | cobblestone256 | inline://", environ={})
    assert stack.get(stack.put(_ADDRESS, _VALUE)) == _VALUE
