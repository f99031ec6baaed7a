"""Refs from a database that others write: refused before any fetch, and before any layer sees them."""

from __future__ import annotations

import base64
import io

import pytest

from lamella.errors import (
    IntegrityError,
    KeyVersionNotFoundError,
    LamellaError,
    MalformedRefError,
    ManifestRefusedError,
    RefError,
    RefMismatchError,
    RefTagError,
    UnsupportedRefVersionError,
)
from lamella.keys.keyring import Keyring
from lamella.limits import Limits
from lamella.policy import Policy
from lamella.scope import Address, TaskScope, XComScope
from lamella.testing import FaultyStore
from lamella.wire import ref as wire_ref
from lamella.wire.locator import Place
from lamella.wire.ref import Ref, format_ref
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore

ORDER = "zstd | padme | cobblestone256 | chunk"
MANIFEST = "zstd.1+padme.1+cobblestone256.1+chunk.1"
ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
FOREIGN = [
    "",
    " ",
    "null",
    '{"a": 1}',
    "file:///etc/passwd",
    "/etc/passwd",
    "../../x",
    "http://169.254.169.254/latest/meta-data/",
    "s3://bucket/key",
    "lamella",
    "lamella:",
    "lamella:1",
    "lamella:1:",
    "lamella::::::::",
    "lamella: 1:x",
    "lamella:+1:x",
    "lamella:1.0:x",
    "LAMELLA:1:00000000:main:-:task",
    "lamella:1:00000000:main:-:task:" + "x" * 43,
    "lamella:1:../../etc:main:-:task:x:" + "x" * 43,
    "lamella:1:00000000:file:///etc/passwd:" + "x" * 43,
    "lamella:1:0000000g:main:" + "x" * 43,
    "lamella:1:00000000:main:\n" + "x" * 43,
    "lamella:1:00000000:caf\u00e9:" + "x" * 43,
    "lamella:1:00000000:main:" + "\u00e9" * 43,
    "lamella:1:00000000:main:" + "x" * 42 + "\n",
]
NEWER = ["lamella:0:x", "lamella:2:00000000:main", "lamella:01:x", "lamella:99:x"]


class Spied:
    """A stack whose store counts its calls."""

    def __init__(self, build, **parts):
        self.inner = MemoryStore()
        self.ref = build(ORDER, self.inner, **parts).put(ADDRESS, "value")
        self.store = FaultyStore(self.inner)
        self.stack = build(ORDER, self.store, **{"policy": Policy(), **parts})

    def refuses(self, ref, kind, match=None):
        for read in (self.stack.get, lambda each: self.stack.get_into(each, io.BytesIO())):
            with pytest.raises(kind, match=match) as refused:
                read(ref)
        assert self.store.calls == []
        return refused.value


@pytest.fixture
def spied(build):
    return Spied(build)


@pytest.fixture
def signed(spied, keyring):
    """Give what signs any ref with the true key, as whoever holds the key could."""

    def signed(alias="main", manifest=MANIFEST, place=None, body=None):
        place = place or spied.stack.engine.place(ADDRESS)
        return format_ref(Ref(alias, manifest, place, body), keyring.ref_key_id, keyring.mac_ref)

    assert signed() == spied.ref
    return signed


@pytest.mark.parametrize("ref", FOREIGN)
def test_string_that_is_no_ref_reaches_no_store(spied, ref):
    refused = spied.refuses(ref, (RefError, KeyVersionNotFoundError))
    assert refused.transient is False


@pytest.mark.parametrize("ref", [None, 5, b"lamella:1:", ["lamella:1:"], {"__class__": "x"}, ADDRESS])
def test_thing_that_is_no_string_reaches_no_store(spied, ref):
    spied.refuses(ref, MalformedRefError)


@pytest.mark.parametrize("ref", NEWER)
def test_ref_of_another_version_asks_for_an_upgrade(spied, ref):
    spied.refuses(ref, UnsupportedRefVersionError, "upgrade")


def test_overlong_ref_is_refused_before_its_tag_is_computed(spied, monkeypatch):
    monkeypatch.setattr(Keyring, "mac_ref", None)
    limits = spied.stack.engine.limits
    spied.refuses(spied.ref[:-43] + "a" * (limits.max_ref_chars + limits.max_inline_bytes * 2), MalformedRefError)


def test_no_character_of_a_ref_can_be_changed_dropped_or_added(spied):
    for at in range(len(spied.ref)):
        for changed in ("0", "a", "Z", "-", ":", "/", "\0", "\u0660"):
            if changed != spied.ref[at]:
                spied.refuses(spied.ref[:at] + changed + spied.ref[at + 1 :], (RefError, KeyVersionNotFoundError))
        spied.refuses(spied.ref[:at], RefError)
        spied.refuses(spied.ref[:at] + spied.ref[at + 1 :], (RefError, KeyVersionNotFoundError))
        spied.refuses(spied.ref[:at] + spied.ref[at] + spied.ref[at:], (RefError, KeyVersionNotFoundError))
    for more in (" ", "\n", "=", "A"):
        spied.refuses(spied.ref + more, RefError)
        spied.refuses(more + spied.ref, RefError)


def test_nothing_behind_a_wrong_tag_is_looked_at(spied, monkeypatch):
    looked = []
    for name in ("parse_manifest", "_parse_body", "_read"):
        monkeypatch.setattr(wire_ref, name, looked.append)
    before = spied.stack.engine.plan_of.cache_info()
    for tag in ("A" * 43, spied.ref[-43:].swapcase()):
        spied.refuses(spied.ref[:-43] + tag, RefTagError, "altered, forged")
    assert looked == []
    assert spied.stack.engine.plan_of.cache_info() == before


def test_ref_of_another_keyring_names_the_key_that_is_missing(spied, build):
    other = Spied(build, keyring=Keyring.ephemeral("other"))
    refused = spied.refuses(other.ref, KeyVersionNotFoundError)
    assert refused.key_id == other.ref.split(":")[2]


def test_ref_of_another_keyring_under_the_id_of_ours_is_forged(spied, build):
    other = Spied(build, keyring=Keyring.ephemeral("other"))
    ours = ":".join([*spied.ref.split(":")[:3], *other.ref.split(":")[3:]])
    spied.refuses(ours, RefTagError)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (":main:", ":evil:"),
        (MANIFEST, "-"),
        (MANIFEST, "zstd.1"),
        (MANIFEST, MANIFEST.replace("cobblestone256.1+", "")),
        (":task:", ":xcom:"),
        ("/-1/", "/0/"),
    ],
)
def test_edited_field_is_a_forgery(spied, old, new):
    assert old in spied.ref
    spied.refuses(spied.ref.replace(old, new), RefTagError)


def test_ref_of_another_kind_or_key_is_refused_where_the_caller_knows_better(spied):
    for expected in (
        Address(XComScope("dag", "run", "task"), "key"),
        Address(TaskScope("dag", "run", "task", 0), "key"),
        Address(TaskScope("dag", "run", "task"), "other"),
    ):
        with pytest.raises(RefMismatchError):
            spied.stack.get(spied.ref, expect=expected)
        with pytest.raises(RefMismatchError):
            spied.stack.get_into(spied.ref, io.BytesIO(), expect=expected)
    assert spied.store.calls == []
    assert spied.stack.get(spied.ref, expect=ADDRESS) == "value"


@pytest.mark.parametrize("manifest", ["-", "zstd.1", "zstd.1+padme.1+chunk.1", "chunk.1"])
def test_genuine_ref_without_encryption_is_refused_before_any_fetch(spied, signed, manifest):
    spied.refuses(signed(manifest=manifest), ManifestRefusedError, "today's stack requires 200")


@pytest.mark.parametrize(
    ("manifest", "match"),
    [
        ("rot26.1", "no layer is named 'rot26'"),
        ("cobblestone256.2", "upgrade"),
        ("cobblestone256.1~key=none", "upgrade"),
        ("chunk.1+cobblestone256.1+chunk.1", "splits twice"),
        ("+".join(["cobblestone256.1"] * 17), "17 layers, limits.max_layers is 16"),
    ],
)
def test_genuine_ref_of_layers_that_are_not_here_is_refused_before_any_fetch(spied, signed, manifest, match):
    spied.refuses(signed(manifest=manifest), ManifestRefusedError, match)


@pytest.mark.parametrize(
    "manifest", ["+", "zstd", "zstd.0", "zstd.01", "Zstd.1", "zstd.1+", "os.system.1", "zstd.1~b=1~a=1", "zstd.256"]
)
def test_genuine_ref_whose_manifest_breaks_the_grammar_is_refused(spied, signed, manifest):
    spied.refuses(signed(manifest=manifest), ManifestRefusedError, "breaks its grammar")


def test_genuine_ref_to_a_store_that_is_not_configured_is_refused_before_any_fetch(spied, signed):
    spied.refuses(signed(alias="archive"), ManifestRefusedError, r"the store 'archive'.*\[stores.aliases\]")


@pytest.mark.parametrize(
    "place", [Place("cron", "0" * 32, -1, "0" * 32), Place("task", "0" * 31, -1, "0" * 32), Place("task", "", 0, "..")]
)
def test_genuine_ref_that_breaks_the_grammar_asks_for_an_upgrade(spied, signed, place):
    spied.refuses(signed(place=place), MalformedRefError, "upgrade")


def test_ref_with_an_object_inside_never_stands_in_for_the_store_s(spied, signed):
    body = b"".join(spied.inner.get(spied.stack.engine.place(ADDRESS).head)[1])
    spied.refuses(signed(body=body), ManifestRefusedError, "disagree on whether the ref holds the object")


def test_ref_whose_object_is_not_canonical_base64_is_refused(spied, signed, keyring):
    text = signed(body=b"a")
    for spelled in ("YR", "Y", "YQA="):
        changed = text[:-43].replace(":YQ:", f":{spelled}:")
        tag = base64.urlsafe_b64encode(keyring.mac_ref(changed.encode(), keyring.ref_key_id)).decode().rstrip("=")
        spied.refuses(changed + tag, MalformedRefError)


def test_store_that_took_the_place_of_the_inline_one_is_not_asked(build):
    inline = build("cobblestone256", InlineStore())
    ref = inline.put(ADDRESS, "value")
    spied = FaultyStore(MemoryStore())
    with pytest.raises(ManifestRefusedError, match="another kind of store"):
        build("cobblestone256", spied).get(ref)
    with pytest.raises(ManifestRefusedError, match="another kind of store"):
        inline.get(build("cobblestone256").put(ADDRESS, "value"))
    assert spied.calls == []


def test_object_inside_a_ref_is_bound_to_the_ref_s_address(build, keyring):
    stack = build("cobblestone256", InlineStore())
    refs = [stack.put(Address(ADDRESS.scope, key), key) for key in ("a", "b")]
    fields = [ref.split(":") for ref in refs]
    place = stack.engine.place(Address(ADDRESS.scope, "a"))
    body = base64.urlsafe_b64decode(fields[1][7] + "==")
    moved = format_ref(Ref("main", "cobblestone256.1", place, body), keyring.ref_key_id, keyring.mac_ref)
    with pytest.raises(IntegrityError):
        stack.get(moved)
    assert [stack.get(ref) for ref in refs] == ["a", "b"]


def test_unknown_data_key_decrypts_nothing(build, keyring, monkeypatch):
    other = Keyring.ephemeral("tests")
    stack = build("cobblestone256")
    stack.put(ADDRESS, 1)
    ((locator, body),) = [
        (each.locator, stack.engine.store.get(each.locator)[1]) for each in stack.engine.store.list("o1/")
    ]
    key_id = keyring.new_value_key(b"").key_id
    unknown = other.new_value_key(b"").key_id
    stack.engine.store.put(locator, (b"".join(body).replace(key_id, unknown),))
    monkeypatch.setattr("lamella_layers.encrypt.cobblestone256.Cobblestone256Decryptor", None)
    monkeypatch.setattr("lamella.keys.keyring.aes_key_unwrap", None)
    with pytest.raises(KeyVersionNotFoundError, match=unknown.hex()) as refused:
        stack.get_at(ADDRESS)
    assert refused.value.key_id == unknown.hex()


def test_ref_within_the_limits_of_the_writer_is_read_within_those_of_the_reader(build):
    stack = build("cobblestone256", InlineStore(), limits=Limits(max_inline_bytes=2000))
    assert len(stack.get(stack.put(ADDRESS, "x" * 1500))) == 1500


def test_every_refusal_is_a_value_error_of_the_one_root(spied):
    refused = spied.refuses("s3://elsewhere", RefError)
    assert isinstance(refused, ValueError)
    assert isinstance(refused, LamellaError)
