"""What a process reads although it was written otherwise: the ref's floor, the local policy and its dates."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from typing import ClassVar

import pytest

from lamella.errors import (
    ConfigError,
    IntegrityError,
    KeyVersionNotFoundError,
    ManifestRefusedError,
    ObjectNotFoundError,
)
from lamella.keys import edit
from lamella.keys.document import pack, unpack
from lamella.keys.keyring import Keyring
from lamella.policy import Accept, Policy
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella.testing import FaultyStore
from lamella_layers.encrypt.cobblestone256 import Cobblestone256
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore

ORDER = "zstd | padme | cobblestone256 | chunk"
ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
TODAY = dt.date(2026, 11, 22)
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def _no_midnight(monkeypatch):
    monkeypatch.setattr("lamella.policy.today", lambda: TODAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakSeal(Cobblestone256):
    """A seal of a lower class, as an older release may have written."""

    name: ClassVar[str] = "weak"
    strength: ClassVar[int] = 100


REGISTRY = installed_registry().with_layers(WeakSeal)


def _accepting(*rules):
    return Policy(accept=tuple(Accept(strength=strength, until=until) for strength, until in rules))


def _weak(store, keyring):
    return Stack([WeakSeal()], store, keyring, registry=REGISTRY)


@pytest.mark.parametrize("order", ["cobblestone256", "chunk | cobblestone256", "cobblestone256 | padme", ORDER])
@pytest.mark.parametrize("size_bytes", [10, 150_000])
def test_one_stack_reads_and_replaces_what_another_order_wrote(build, order, size_bytes):
    store = MemoryStore()
    theirs, ours = build(order, store), build(ORDER, store)
    ref = theirs.put(ADDRESS, "x" * size_bytes)
    assert ours.get(ref) == ours.get_at(ADDRESS) == "x" * size_bytes
    newer = ours.put(ADDRESS, "y" * size_bytes)
    assert theirs.get(ref) == theirs.get(newer) == "y" * size_bytes


def test_object_of_another_manifest_than_its_ref_is_read_and_counted(build):
    store = MemoryStore()
    first, second = build("cobblestone256", store), build(ORDER, store)
    ref = first.put(ADDRESS, 1)
    assert first.get(ref) == 1
    assert first.counters["manifest_drift"] == 0
    second.put(ADDRESS, 2)
    assert first.get(ref) == second.get(ref) == 2
    assert first.counters == second.counters == {"manifest_drift": 1}
    assert first.get_at(ADDRESS) == 2
    assert first.counters == {"manifest_drift": 1}


@pytest.mark.parametrize("replacement", ["", "zstd", "zstd | chunk"])
@pytest.mark.parametrize("policy", [Policy(), _accepting((0, TODAY + DAY)), Policy(allow_plaintext=True)])
def test_object_without_the_seal_that_its_ref_promises_is_refused(build, replacement, policy):
    store = MemoryStore()
    stack = build(ORDER, store, policy=policy)
    ref = stack.put(ADDRESS, "sealed")
    build(replacement, store).put(ADDRESS, "planted")
    with pytest.raises(ManifestRefusedError):
        stack.get(ref)
    with pytest.raises(ManifestRefusedError):
        stack.get_into(ref, io.BytesIO())


def test_ref_without_a_seal_binds_the_object_to_its_very_layers(build):
    store = MemoryStore()
    stack = build("zstd", store)
    ref = stack.put(ADDRESS, 1)
    build("padme", store).put(ADDRESS, 2)
    with pytest.raises(ManifestRefusedError, match="use the ref of that write"):
        stack.get(ref)


@pytest.mark.parametrize(("days", "read"), [(-1, False), (0, True), (1, True)])
def test_plaintext_is_accepted_up_to_its_last_day(build, days, read):
    store = MemoryStore()
    ref = build("zstd", store).put(ADDRESS, 1)
    stack = build(ORDER, store, policy=_accepting((0, TODAY + days * DAY)))
    for get in (lambda: stack.get(ref), lambda: stack.get_at(ADDRESS)):
        if read:
            assert get() == 1
        else:
            with pytest.raises(ManifestRefusedError, match="is not sealed, today's stack requires 200"):
                get()


def test_refused_manifest_of_a_ref_costs_no_fetch(build):
    inner = MemoryStore()
    ref = build("zstd", inner).put(ADDRESS, 1)
    store = FaultyStore(inner)
    with pytest.raises(ManifestRefusedError):
        build(ORDER, store, policy=Policy()).get(ref)
    assert store.calls == []


@pytest.mark.parametrize(
    ("rules", "read"),
    [
        ((), False),
        (((150, TODAY + DAY),), False),
        (((100, TODAY - DAY),), False),
        (((100, TODAY),), True),
        (((0, TODAY),), True),
    ],
)
def test_weaker_seal_is_accepted_by_its_class_alone(build, keyring, rules, read):
    store = MemoryStore()
    ref = _weak(store, keyring).put(ADDRESS, 1)
    stack = build(ORDER, store, policy=_accepting(*rules), registry=REGISTRY)
    if read:
        assert stack.get(ref) == stack.get_at(ADDRESS) == 1
        return
    for get in (lambda: stack.get(ref), lambda: stack.get_at(ADDRESS)):
        with pytest.raises(ManifestRefusedError, match=r"is sealed with strength 100.*strength = 100"):
            get()


def test_weaker_object_behind_a_stronger_ref_is_refused_even_where_it_is_accepted(build, keyring):
    store = MemoryStore()
    stack = build(ORDER, store, policy=_accepting((100, TODAY)), registry=REGISTRY)
    ref = stack.put(ADDRESS, 1)
    _weak(store, keyring).put(ADDRESS, 2)
    assert stack.get_at(ADDRESS) == 2
    with pytest.raises(ManifestRefusedError, match="more weakly than its ref promises"):
        stack.get(ref)


def test_stronger_object_behind_a_weaker_ref_is_read(build, keyring):
    store = MemoryStore()
    weak = _weak(store, keyring)
    ref = weak.put(ADDRESS, 1)
    build(ORDER, store).put(ADDRESS, 2)
    assert weak.get(ref) == 2
    assert weak.counters == {"manifest_drift": 1}


def test_every_seal_of_the_ref_needs_one_of_the_object(build):
    store = MemoryStore()
    twice = build("cobblestone256 | padme | cobblestone256", store)
    ref = twice.put(ADDRESS, 1)
    build("cobblestone256", store).put(ADDRESS, 2)
    assert twice.get_at(ADDRESS) == 2
    with pytest.raises(ManifestRefusedError, match="more weakly"):
        twice.get(ref)


def test_stack_that_allows_plaintext_still_opens_what_is_sealed(build):
    store = MemoryStore()
    ref = build(ORDER, store).put(ADDRESS, 1)
    assert build("zstd", store).get(ref) == 1


@pytest.mark.parametrize(
    ("strength", "until"),
    [
        (-1, TODAY),
        (True, TODAY),
        ("0", TODAY),
        (0, "2030-01-01"),
        (0, None),
        (0, dt.datetime(2030, 1, 1, tzinfo=dt.timezone.utc)),
    ],
)
def test_permission_without_a_class_or_a_last_day_is_refused_when_it_is_made(strength, until):
    with pytest.raises(ConfigError, match=r"policy\.accept"):
        Accept(strength=strength, until=until)


def test_strict_reader_is_not_warmed_by_a_lax_one(build):
    store = MemoryStore()
    ref = build("zstd", store).put(ADDRESS, 1)
    lax, strict = build("zstd", store), build(ORDER, store, policy=Policy())
    assert lax.get(ref) == 1
    for _ in range(2):
        with pytest.raises(ManifestRefusedError):
            strict.get(ref)
    assert lax.get(ref) == 1


def test_disabled_key_is_not_used_although_it_was_used_a_moment_ago(build):
    record = edit.keygen("policy", created_at=1)
    old = record.primary("data").key_id
    rotated = edit.add(record, "data", created_at=2)
    rotated = edit.promote(rotated, rotated.keys[-1].key_id)
    store = MemoryStore()
    ref = build(ORDER, store, keyring=Keyring(record)).put(ADDRESS, 1)
    assert build(ORDER, store, keyring=Keyring(rotated)).get(ref) == 1
    with pytest.raises(KeyVersionNotFoundError, match="disabled"):
        build(ORDER, store, keyring=Keyring(edit.disable(rotated, old))).get(ref)


@pytest.mark.parametrize("store", [MemoryStore(), InlineStore()], ids=lambda store: store.scheme)
def test_copy_from_before_an_erasure_opens_no_more_once_its_data_key_is_destroyed(build, store):
    record = edit.add(edit.keygen("policy", created_at=1), "data", created_at=2)
    old, new = (each.key_id for each in record.keys if each.role == "data")
    order = "cobblestone256" if store.in_ref else ORDER
    before = build(order, store, keyring=Keyring(record))
    ref = before.put(ADDRESS, 1)
    head = before.engine.place(ADDRESS).head
    copied = None if store.in_ref else b"".join(store.get(head)[1])
    before.delete(ADDRESS)
    document = pack(edit.destroy(edit.disable(edit.promote(record, new), old), old))
    after = build(order, store, keyring=Keyring(unpack(document)))
    if copied:
        store.put(head, (copied,))
    assert before.get(ref) == 1
    with pytest.raises(KeyVersionNotFoundError, match=f"{old.hex()} is destroyed"):
        after.get(ref)
    if copied:
        store.put(head, (copied.replace(old, new),))
        with pytest.raises(IntegrityError):
            after.get(ref)


def test_planted_plaintext_at_the_head_is_never_a_value(build):
    stack = build(ORDER, policy=Policy())
    ref = stack.put(ADDRESS, 1)
    for planted in (b'{"planted": 1}', b"1", b"null", b"LMLA\x01" + b"1"):
        stack.engine.store.put(stack.engine.place(ADDRESS).head, (planted,))
        for get in (lambda: stack.get(ref), lambda: stack.get_at(ADDRESS)):
            with pytest.raises(IntegrityError):
                get()


def test_renamed_store_is_found_by_its_old_alias(build):
    store = MemoryStore()
    ref = build(ORDER, store, alias="old").put(ADDRESS, 1)
    assert build(ORDER, store, alias="new", renamed={"old": "new"}).get(ref) == 1
    with pytest.raises(ManifestRefusedError, match="'old'"):
        build(ORDER, store, alias="new").get(ref)


def test_other_stores_are_read_erased_and_never_written(build):
    archive, inline = MemoryStore(), InlineStore()
    ref = build(ORDER, archive, alias="archive").put(ADDRESS, 1)
    stack = build(ORDER, others={"archive": archive, "inline": inline})
    assert stack.get(ref) == stack.get_at(ADDRESS) == 1
    stack.put(ADDRESS, 2)
    assert (stack.get_at(ADDRESS), stack.get(ref)) == (2, 1)
    stack.delete(ADDRESS)
    for get in (lambda: stack.get(ref), lambda: stack.get_at(ADDRESS)):
        with pytest.raises(ObjectNotFoundError):
            get()
    build(ORDER, archive).put(ADDRESS, 3)
    stack.clear(ADDRESS.scope)
    assert not list(archive.list("o1/"))


def test_inline_store_alone_has_no_place_to_read_from(build):
    stack = build("cobblestone256", InlineStore())
    assert stack.get(stack.put(ADDRESS, 1)) == 1
    with pytest.raises(ConfigError, match="in their refs alone"):
        stack.get_at(ADDRESS)
    stack.delete(ADDRESS)
    stack.clear(ADDRESS.scope)
    stack.close()
