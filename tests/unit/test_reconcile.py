"""Rows against the objects of each store, whatever host the rows are of."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time

import pytest

from lamella.errors import ConfigError, StoreError
from lamella.keys.keyring import Keyring
from lamella.policy import Policy
from lamella.scope import Address, AssetScope, TaskScope, XComScope
from lamella.state.reconcile.compare import Comparison, reconcile
from lamella.state.reconcile.report import BYPASSED
from lamella.state.reconcile.rows import Row
from lamella.state.reconcile.scratch import Listed, Scratch
from lamella.testing.payloads import noise
from lamella_layers.store.directory import DirectoryStore
from lamella_layers.store.inline import InlineStore
from lamella_layers.store.memory import MemoryStore
from lamella_layers.store.object_store import FileObjectStore, S3ObjectStore
from lamella_layers.store.sqlite import SqliteStore

ORDER = "zstd | padme | cobblestone256 | chunk"
TASK = TaskScope("dag", "run", "task", 3)
ADDRESSES = [Address(TASK, "a"), Address(TASK, "b"), Address(AssetScope(name="asset"), "c")]
ALL_ARE_OLD = -3600
"""A grace period that ends in an hour, since the age of an object in a bucket cannot be set."""
CONDITIONAL = ["directory", "memory", "s3", "sqlite"]


class KnownRows(dict):
    """Rows by address, each with the text in it."""

    def _row(self, address):
        text = self[address]
        is_ref = text.startswith("lamella:")
        return Row(repr(address), (address,), text if is_ref else None, "" if is_ref else BYPASSED)

    def scan(self):
        return map(self._row, list(self))

    def again(self, token):
        return next((self._row(address) for address in self if repr(address) == token), None)

    def at(self, address):
        return [self._row(address)] if address in self else []


@pytest.fixture
def make_store(tmp_path, request):
    def on_s3():
        server = request.getfixturevalue("conditional_s3_server")
        return S3ObjectStore(**server, prefix=os.urandom(8).hex(), allow_http=True)

    made = {
        "directory": lambda: DirectoryStore(tmp_path / "directory"),
        "file": lambda: FileObjectStore(tmp_path / "file"),
        "memory": MemoryStore,
        "s3": on_s3,
        "sqlite": lambda: SqliteStore(tmp_path / "objects.db"),
    }
    return lambda name: made[name]()


def _compare(stack, rows, **options):
    options.setdefault("grace_seconds", ALL_ARE_OLD)
    return reconcile(Comparison(engine=stack.engine, rows=rows, **options))


def _counts(report):
    return {name: count for name, count in report.counts.items() if count}


def _heads(store):
    return {found.locator for found in store.list("o1/")}


def _head(stack, address):
    return stack.engine.place(address).head


@pytest.mark.parametrize("name", CONDITIONAL)
def test_orphan_is_found_and_removed_on_each_store(build, make_store, name):
    store = make_store(name)
    stack = build(ORDER, store)
    rows = KnownRows({address: stack.put(address, "value") for address in ADDRESSES})
    assert _compare(stack, rows).is_clean
    for address in ADDRESSES[1:]:
        del rows[address]
    report = _compare(stack, rows)
    assert (_counts(report), report.deleted) == ({"orphaned_objects": 2}, 0)
    assert {each["key"] for each in report.examples["orphaned_objects"]} == {"b", "c"}
    assert len(_heads(store)) == 3
    report = _compare(stack, rows, delete=True)
    assert (report.deleted, report.kept, report.is_clean) == (2, 0, True)
    assert _heads(store) == {_head(stack, ADDRESSES[0])}


@pytest.mark.parametrize("name", CONDITIONAL)
@pytest.mark.parametrize("method", ["get", "delete"])
def test_object_that_is_written_anew_meanwhile_stays_on_each_store(build, make_store, monkeypatch, name, method):
    store = make_store(name)
    stack = build(ORDER, store)
    rows = KnownRows({address: stack.put(address, "old") for address in ADDRESSES})
    late = ADDRESSES[1]
    del rows[late]
    plain, calls = getattr(type(store), method), []

    def held(self, locator, **options):
        if locator != _head(stack, late) or calls:
            return plain(self, locator, **options)
        calls.append(locator)
        if method == "delete":
            stack.put(late, "anew")
            return plain(self, locator, **options)
        # What is read before the write is what was there before it.
        found = plain(self, locator, **options)
        rows[late] = stack.put(late, "anew")
        return found

    monkeypatch.setattr(type(store), method, held)
    report = _compare(stack, rows, delete=True)
    assert calls
    assert (report.deleted, report.is_clean) == (0, True)
    assert stack.get_at(late) == "anew"


@pytest.mark.parametrize(
    "barrier", [("get", 1, "object"), ("list", 2, "object"), ("list", 2, "row"), ("get", 2, "row")]
)
def test_old_object_stays_whose_row_or_new_version_comes_before_the_last_look(build, tmp_path, monkeypatch, barrier):
    method, number, act = barrier
    stack = build(ORDER, DirectoryStore(tmp_path))
    kept, late = ADDRESSES[:2]
    rows = KnownRows({kept: stack.put(kept, "kept")})
    ref = stack.put(late, "old")
    then = time.time() - 7200
    os.utime(tmp_path / _head(stack, late), (then, then))
    acts = {"object": lambda: stack.put(late, "anew"), "row": lambda: rows.update({late: ref})}
    plain, calls = getattr(DirectoryStore, method), []

    def held(self, *given, **options):
        calls.append(given)
        if len(calls) == number:
            acts[act]()
        return plain(self, *given, **options)

    monkeypatch.setattr(DirectoryStore, method, held)
    report = _compare(stack, rows, delete=True, grace_seconds=3600)
    assert len(calls) >= number
    assert (report.deleted, report.is_clean) == (0, True)
    assert stack.get_at(late) == ("anew" if act == "object" else "old")


def test_store_that_deletes_under_no_condition_keeps_its_orphans_and_the_report_says_so(build, make_store):
    store = make_store("file")
    stack = build(ORDER, store)
    rows = KnownRows({ADDRESSES[0]: stack.put(ADDRESSES[0], 1)})
    stack.put(ADDRESSES[1], 2)
    report = _compare(stack, rows, delete=True)
    assert (_counts(report), report.deleted, report.is_clean) == ({"orphaned_objects": 1}, 0, False)
    assert "'main'" in report.notes[0]
    assert len(_heads(store)) == 2


def test_parts_of_a_removed_orphan_are_left_to_gc(build):
    store = MemoryStore()
    stack = build(ORDER, store)
    rows = KnownRows({ADDRESSES[0]: stack.put(ADDRESSES[0], 1)})
    stack.put_stream(ADDRESSES[1], [noise(300_000)])
    assert _compare(stack, rows, delete=True).deleted == 1
    assert list(store.list("p1/"))
    stack.gc(older_than_seconds=0)
    assert not list(store.list("p1/"))


def test_object_that_does_not_open_stays(build, tmp_path):
    store = DirectoryStore(tmp_path)
    stack = build(ORDER, store)
    rows = KnownRows({ADDRESSES[0]: stack.put(ADDRESSES[0], 1)})
    stack.put_stream(ADDRESSES[1], [noise(300_000)])
    shutil.rmtree(tmp_path / "p1")
    build(ORDER, store, keyring=Keyring.ephemeral("tests")).put(ADDRESSES[1], 2)
    # One that was copied to the place of another is not what its locator says.
    moved = tmp_path / _head(stack, Address(TASK, "moved"))
    shutil.copy(tmp_path / _head(stack, ADDRESSES[0]), moved)
    (tmp_path / "o1" / "stray").write_bytes(b"stray")
    before = _heads(store)
    report = _compare(stack, rows, delete=True)
    assert (_counts(report), report.deleted) == ({"unopened_objects": 4}, 0)
    assert _heads(store) == before


def test_object_of_another_kind_than_the_rows_stays(build):
    stack = build(ORDER)
    rows = KnownRows({ADDRESSES[0]: stack.put(ADDRESSES[0], 1)})
    stack.put(Address(XComScope("dag", "run", "task"), "return_value"), 2)
    report = _compare(stack, rows, delete=True)
    assert (_counts(report), report.deleted) == ({"other_objects": 1}, 0)


def test_orphan_without_a_seal_goes_too(build):
    store = MemoryStore()
    build("zstd", store).put(ADDRESSES[1], "plain")
    stack = build(ORDER, store, policy=Policy())
    rows = KnownRows({ADDRESSES[0]: stack.put(ADDRESSES[0], 1)})
    assert _compare(stack, rows, delete=True).deleted == 1


def test_object_in_another_store_than_its_row_names_stays(build):
    old = MemoryStore()
    build(ORDER, old).put(ADDRESSES[0], "old")
    stack = build(ORDER, MemoryStore(), others={"old": old})
    rows = KnownRows({ADDRESSES[0]: stack.put(ADDRESSES[0], "new")})
    report = _compare(stack, rows, delete=True)
    assert (_counts(report), report.deleted, report.is_clean) == ({"objects_elsewhere": 1}, 0, True)
    assert report.examples["objects_elsewhere"][0]["store"] == "old"


def test_store_under_two_names_loses_nothing_that_a_row_names(build):
    store = MemoryStore()
    stack = build(ORDER, store, others={"again": store})
    rows = KnownRows({ADDRESSES[0]: stack.put(ADDRESSES[0], 1)})
    stack.put(ADDRESSES[1], 2)
    assert _compare(stack, rows, delete=True).deleted == 1
    assert _heads(store) == {_head(stack, ADDRESSES[0])}


def test_ref_of_a_renamed_store_has_its_object_there(build):
    store = MemoryStore()
    rows = KnownRows({ADDRESSES[0]: build(ORDER, store, alias="before").put(ADDRESSES[0], 1)})
    assert _compare(build(ORDER, store, renamed={"before": "main"}), rows).is_clean
    assert _counts(_compare(build(ORDER, store), rows)) == {"foreign_refs": 1}


def test_ref_that_carries_its_object_is_foreign_to_a_store_that_keeps_objects(build):
    rows = KnownRows({ADDRESSES[0]: build("cobblestone256", InlineStore()).put(ADDRESSES[0], 1)})
    assert _counts(_compare(build(ORDER), rows)) == {"foreign_refs": 1}
    both = build(ORDER, others={"kept": InlineStore()})
    rows = KnownRows({ADDRESSES[0]: build("cobblestone256", InlineStore(), alias="kept").put(ADDRESSES[0], 1)})
    assert _counts(_compare(both, rows)) == {"values_in_rows": 1}


def test_text_that_only_begins_like_a_ref_bypassed_the_backend(build):
    assert _counts(_compare(build(ORDER), KnownRows({ADDRESSES[0]: "lamella:1:what"}))) == {"bypassed_rows": 1}


@pytest.mark.parametrize("planted", ["a value", "lamella:1:what", None])
def test_object_whose_own_row_was_replaced_by_something_else_stays(build, planted):
    store = MemoryStore()
    stack = build(ORDER, store)
    rows = KnownRows({address: stack.put(address, "value") for address in ADDRESSES})
    rows[ADDRESSES[0]] = rows[ADDRESSES[1]] if planted is None else planted
    report = _compare(stack, rows, delete=True)
    assert _counts(report) == {"bypassed_rows" if planted else "misplaced_refs": 1}
    assert (report.deleted, len(_heads(store))) == (0, 3)


def test_stack_without_a_store_that_lists_is_refused(build):
    with pytest.raises(ConfigError, match="no objects here"):
        _compare(build("cobblestone256", InlineStore()), KnownRows())


def test_rows_that_name_nothing_are_taken_for_those_of_another_deployment(build):
    store = MemoryStore()
    stack = build(ORDER, store)
    stack.put(ADDRESSES[0], 1)
    with pytest.raises(ConfigError, match="another deployment"):
        _compare(stack, KnownRows(), delete=True)
    assert _compare(stack, KnownRows(), delete=True, grace_seconds=3600).deleted == 0
    assert _compare(stack, KnownRows(), delete=True, even_without_refs=True).deleted == 1


class LateRows(KnownRows):
    """Rows of which one changes between the two looks at it."""

    def __init__(self, *given, then):
        super().__init__(*given)
        self._then = then

    def again(self, token):
        self._then(self)
        return super().again(token)


@pytest.mark.parametrize("change", ["the object is put", "the row goes", "the row is overwritten"])
def test_row_is_dangling_only_if_it_is_so_at_the_second_look(build, change):
    stack = build(ORDER)
    acts = {
        "the object is put": lambda _: stack.put(ADDRESSES[0], 1),
        "the row goes": lambda rows: rows.clear(),
        "the row is overwritten": lambda rows: rows.update({ADDRESSES[0]: "plain"}),
    }
    ref = stack.put(ADDRESSES[0], 1)
    stack.delete(ADDRESSES[0])
    assert _counts(_compare(stack, KnownRows({ADDRESSES[0]: ref}))) == {"dangling_refs": 1}
    assert _counts(_compare(stack, LateRows({ADDRESSES[0]: ref}, then=acts[change]))) == {}


def test_store_that_holds_nothing_of_what_rows_refer_to_is_noted_as_perhaps_the_wrong_place(build):
    old = MemoryStore()
    rows = KnownRows({ADDRESSES[0]: build(ORDER, old, alias="old").put(ADDRESSES[0], 1)})
    store = MemoryStore()
    rows.update({address: build(ORDER, store).put(address, 1) for address in ADDRESSES[1:]})
    unmounted = _compare(build(ORDER, MemoryStore(), others={"old": old}), rows)
    assert _counts(unmounted) == {"dangling_refs": 2}
    [note] = unmounted.notes
    assert "'main'" in note
    assert "mounted" in note
    store.delete(_head(build(ORDER, store), ADDRESSES[1]))
    gone = _compare(build(ORDER, store, others={"old": old}), rows)
    assert (_counts(gone), gone.notes) == ({"dangling_refs": 1}, [])


def test_many_orphans_of_one_folder_are_removed_after_one_more_listing_of_it(build, monkeypatch):
    store, other = MemoryStore(), Address(TaskScope("dag", "run", "other"), "key")
    stack = build(ORDER, store)
    rows = KnownRows({ADDRESSES[0]: stack.put(ADDRESSES[0], 1)})
    for address in (other, *(Address(TASK, str(number)) for number in range(150))):
        stack.put(address, address.key)
    plain, listed = MemoryStore.list, []
    monkeypatch.setattr(MemoryStore, "list", lambda self, prefix: (listed.append(prefix), plain(self, prefix))[1])
    report = _compare(stack, rows, delete=True, max_examples=7)
    assert (report.deleted, report.kept, len(report.examples["orphaned_objects"])) == (151, 0, 7)
    folders = [_head(stack, each).rpartition("/")[0] + "/" for each in (ADDRESSES[0], other)]
    assert sorted(listed) == sorted(["o1/", *folders])
    assert _heads(store) == {_head(stack, ADDRESSES[0])}


def test_everything_that_is_watched_is_counted(build):
    stack = build(ORDER)
    rows = KnownRows({ADDRESSES[0]: stack.put(ADDRESSES[0], 1)})
    stack.put(ADDRESSES[1], 2)
    seen = []
    _compare(stack, rows, watch=lambda what, items: ((seen.append(what), each)[1] for each in items))
    assert seen == ["rows", "objects", "objects", "objects without a row"]


@pytest.fixture
def small_disk():
    """Let no file of this process grow beyond 1 MiB, which is what a full disk is to SQLite."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize("use", ["adding", "sorting"])
def test_full_temporary_disk_is_a_named_error_that_says_what_to_do(use):
    # The page cache of 8 MiB holds 5,000 of these, and not the index of them as well.
    number = 5000 if use == "sorting" else 20_000
    objects = (Listed("main", f"{each}/{'x' * 1000}", 0.0) for each in range(number))
    with Scratch() as scratch:
        if use == "sorting":
            scratch.add_objects(objects)
        with pytest.raises(StoreError, match="SQLITE_TMPDIR"):
            next(scratch.orphans()) if use == "sorting" else scratch.add_objects(objects)


_MEASURE = """
import re, sys, time
from pathlib import Path
from lamella.keys.keyring import Keyring
from lamella.protocols.store import StoredObject
from lamella.scope import Address, TaskScope
from lamella.stack import Stack
from lamella.state.reconcile.compare import Comparison, reconcile
from lamella.state.reconcile.rows import Row
from lamella_layers.encrypt.cobblestone256 import Cobblestone256
from lamella_layers.store.memory import MemoryStore

MANY, SCOPE = int(sys.argv[1]), TaskScope("dag", "run", "task")

def place(number):
    return engine.place(Address(SCOPE, str(number)))

class SyntheticStore(MemoryStore):
    def list(self, prefix):
        now = time.time()
        return (StoredObject(place(number).head, 100, now) for number in reversed(range(MANY)) if number % 1000 != 1)

class SyntheticRows:
    def scan(self):
        for number in range(MANY):
            if number % 1000:
                address = Address(SCOPE, str(number))
                yield Row(f"task:{number}:", (address,), engine.ref(engine.place(address), None))

    def again(self, token):
        address = Address(SCOPE, token.split(":")[1])
        return Row(token, (address,), engine.ref(engine.place(address), None))

engine = Stack([Cobblestone256()], SyntheticStore(), Keyring.ephemeral("tests")).engine
def peak_mib():
    return int(re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]) // 1024

before = peak_mib()
report = reconcile(Comparison(engine=engine, rows=SyntheticRows(), grace_seconds=3600))
print(report.rows, report.objects, report.counts["young_objects"], report.counts["dangling_refs"], peak_mib() - before)
"""


def test_two_hundred_thousand_synthetic_rows_and_objects_take_little_memory():
    run = subprocess.run([sys.executable, "-c", _MEASURE, "200000"], capture_output=True, text=True, check=True)
    rows, objects, young, dangling, grown_mib = map(int, run.stdout.split())
    assert (rows, objects, young, dangling) == (199_800, 199_800, 200, 200)
    assert grown_mib < 40
