"""The store fails at every step in turn, before and after its effect: the value is the old or the new one."""

from __future__ import annotations

import io
from contextlib import nullcontext

import pytest

from lamella.errors import IntegrityError, LamellaError, ObjectNotFoundError, StoreConflictError, StoreUnavailableError
from lamella.scope import Address, TaskScope
from lamella.testing import FaultyStore
from lamella.testing.payloads import noise
from lamella.testing.store_objects import locators
from lamella_layers.store.memory import MemoryStore

ORDERS = ("zstd | padme | cobblestone256 | chunk", "chunk | cobblestone256")
ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
SMALL, SPLIT = noise(100), noise(150_000)
CHANGES = [(None, SMALL), (None, SPLIT), (SMALL, SPLIT[1:]), (SPLIT, SMALL), (SMALL, SMALL[1:]), (SPLIT, SPLIT[1:])]
CHANGE_NAMES = ["new small", "new split", "small by split", "split by small", "small by small", "split by split"]


class UnconditionalStore(MemoryStore):
    conditional_put = False


def _read(stack):
    target = io.BytesIO()
    try:
        stack.get_into(stack.engine.ref(stack.engine.place(ADDRESS), None), target)
    except ObjectNotFoundError:
        return None
    return target.getvalue()


def _count_steps(build, order, kind, before, act):
    store = FaultyStore(_filled(build, order, kind, before))
    act(build(order, store))
    return store.steps


def _filled(build, order, kind, before):
    store = kind()
    if before is not None:
        build(order, store).put_stream(ADDRESS, [before])
    return store


def _each_failure(build, order, kind, before, act, fault=None):  # noqa: PLR0913 - the facts about one scenario
    """Yield the store after `act` failed at each step, and what it raised; a step that raises anyway has no after."""
    steps = _count_steps(build, order, kind, before, act)
    assert steps
    for after in (False, True):
        for step in range(1, steps + 1):
            inner = _filled(build, order, kind, before)
            stack = build(order, FaultyStore(inner, fail_at=step, after=after, fault=fault))
            try:
                act(stack)
            except LamellaError as refused:
                yield inner, refused
            else:
                yield inner, None


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", [MemoryStore, UnconditionalStore])
@pytest.mark.parametrize(("before", "value"), CHANGES, ids=CHANGE_NAMES)
def test_put_that_fails_leaves_the_old_value_or_the_new_one(build, order, kind, before, value):
    found = set()
    for inner, refused in _each_failure(build, order, kind, before, lambda stack: stack.put_stream(ADDRESS, [value])):
        stack = build(order, inner)
        now = _read(stack)
        assert now in (before, value)
        assert refused is not None or now == value
        found.add(now == value)
        stack.put_stream(ADDRESS, [b"next"])
        assert _read(stack) == b"next"
        stack.delete(ADDRESS)
        assert locators(inner) == []
    assert found == {False, True}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("before", "value"), CHANGES, ids=CHANGE_NAMES)
def test_put_that_fails_by_an_error_of_the_store_s_own_is_a_named_error(build, order, before, value):
    fault = OSError("a canary that no message may hold")
    act = lambda stack: stack.put_stream(ADDRESS, [value])  # noqa: E731 - one expression, named once
    for inner, refused in _each_failure(build, order, MemoryStore, before, act, fault):
        assert refused is None or "canary" not in str(refused)
        assert _read(build(order, inner)) in ((value,) if refused is None else (before, value))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("before", [SMALL, SPLIT], ids=["small", "split"])
@pytest.mark.parametrize("erase", ["delete", "clear"])
def test_erasure_that_fails_leaves_the_whole_value_or_none(build, order, before, erase):
    target = ADDRESS if erase == "delete" else ADDRESS.scope
    failures = _each_failure(build, order, MemoryStore, before, lambda stack: getattr(stack, erase)(target))
    for inner, refused in failures:
        assert refused is None or isinstance(refused, StoreUnavailableError)
        stack = build(order, inner)
        assert _read(stack) in ((None,) if refused is None else (before, None))
        getattr(stack, erase)(target)
        assert _read(stack) is None
        assert locators(inner) == []


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("before", [SMALL, SPLIT], ids=["small", "split"])
def test_read_that_fails_says_so_and_gives_nothing(build, order, before):
    for inner, refused in _each_failure(build, order, MemoryStore, before, _read):
        assert isinstance(refused, StoreUnavailableError)
        assert refused.transient
        assert _read(build(order, inner)) == before


@pytest.mark.parametrize("order", ORDERS)
def test_value_is_whole_when_the_store_conflicts_for_ever(build, order):
    class Contended(MemoryStore):
        def put(self, locator, source, *, if_version=None):
            if if_version is not None:
                raise StoreConflictError("someone else wrote first; try again")
            return super().put(locator, source)

    inner = Contended()
    stack = build(order, inner)
    stack.put_stream(ADDRESS, [SMALL])
    with pytest.raises(StoreConflictError, match="try again") as refused:
        stack.put(ADDRESS, SPLIT.hex())
    assert refused.value.transient
    assert _read(stack) == SMALL
    assert len(locators(inner)) == 1


def test_put_that_was_made_and_then_repeated_below_is_no_conflict(build):
    class Repeating(MemoryStore):
        """Makes a conditional put, and says conflict, as a client does that repeats a request whose answer was lost."""

        def put(self, locator, source, *, if_version=None):
            version = super().put(locator, source, if_version=if_version)
            if if_version is not None:
                raise StoreConflictError("someone else wrote first; try again")
            return version

    inner = Repeating()
    stack = build(ORDERS[0], inner)
    for value in (SPLIT, SPLIT[1:]):
        stack.put_stream(ADDRESS, [value])
        assert _read(stack) == value
    stack.delete(ADDRESS)
    assert locators(inner) == []


class Meddling(FaultyStore):
    """Lets someone else act once, just before a call of one kind: the first, or the one of that number."""

    def __init__(self, inner, method, meddle, number=1):
        super().__init__(inner)
        self._method = method
        self._meddle = meddle
        self._left = number

    def _call(self, method, locator, call):
        if method == self._method:
            self._left -= 1
            if not self._left:
                self._meddle()
        return super()._call(method, locator, call)


@pytest.mark.parametrize("kind", [MemoryStore, UnconditionalStore])
def test_value_that_a_newer_one_replaces_at_once_is_not_written_again(build, kind):
    inner = kind()
    other = build(ORDERS[1], inner)
    # The parts are listed before the commit, and once more after it.
    stack = build(ORDERS[1], Meddling(inner, "list", lambda: other.put_stream(ADDRESS, [SPLIT[1:]]), number=2))
    stack.put_stream(ADDRESS, [SPLIT])
    assert _read(other) == SPLIT[1:]
    other.delete(ADDRESS)
    assert locators(inner) == []


@pytest.mark.parametrize("kind", [MemoryStore, UnconditionalStore])
@pytest.mark.parametrize("erase", ["delete", "clear"])
@pytest.mark.parametrize(("method", "number"), [("get", 1), ("list", 1), ("list", 2)])
def test_value_that_is_erased_while_it_is_written_is_gone_or_whole(build, kind, erase, method, number):
    inner = kind()
    other = build(ORDERS[1], inner)
    target = ADDRESS if erase == "delete" else ADDRESS.scope
    stack = build(ORDERS[1], Meddling(inner, method, lambda: getattr(other, erase)(target), number))
    # What is erased after the commit was written first; before it, the writer has to say that nothing was.
    committed = (method, number) == ("list", 2)
    with nullcontext() if committed else pytest.raises(StoreConflictError, match="write it again"):
        stack.put_stream(ADDRESS, [SPLIT])
    assert _read(other) is None
    assert locators(inner) == []


@pytest.mark.parametrize("erase", ["delete", "clear"])
def test_value_that_is_written_while_parts_are_erased_is_gone_or_whole(build, erase):
    inner = MemoryStore()
    other = build(ORDERS[1], inner)
    for step in range(1, 30):
        other.put_stream(ADDRESS, [SPLIT])
        fault = lambda: other.put_stream(ADDRESS, [SPLIT[1:]])  # noqa: E731 - one expression, named once
        stack = build(ORDERS[1], FaultyStore(inner, fail_at=step, fault=fault))
        getattr(stack, erase)(ADDRESS if erase == "delete" else ADDRESS.scope)
        assert _read(other) in (None, SPLIT[1:])
        other.delete(ADDRESS)
        assert locators(inner) == []


def test_json_value_is_put_again_after_a_conflict(build):
    inner = MemoryStore()
    other = build(ORDERS[1], inner)
    stack = build(ORDERS[1], Meddling(inner, "list", lambda: other.put_stream(ADDRESS, [SPLIT])))
    ref = stack.put(ADDRESS, SPLIT.hex())
    assert other.get(ref) == SPLIT.hex()


def test_reader_that_misses_a_part_reads_the_newer_value(build):
    inner = MemoryStore()
    other = build(ORDERS[1], inner)
    ref = other.put_stream(ADDRESS, [SPLIT])
    reads = []

    class Overtaken(FaultyStore):
        def get(self, locator):
            if locator.startswith("p1/") and len(reads) < self.times:
                reads.append(locator)
                other.put_stream(ADDRESS, [noise(150_000 + len(reads))])
            return super().get(locator)

    store = Overtaken(inner)
    target = io.BytesIO()
    store.times = 4
    build(ORDERS[1], store).get_into(ref, target)
    assert target.getvalue() == noise(150_004)
    reads.clear()
    store.times = 5
    with pytest.raises(StoreConflictError, match="try again") as refused:
        build(ORDERS[1], store).get_into(ref, target)
    assert refused.value.transient


def test_reader_that_misses_a_part_of_an_erased_value_finds_nothing(build):
    inner = MemoryStore()
    other = build(ORDERS[1], inner)
    ref = other.put_stream(ADDRESS, [SPLIT])

    class Erased(FaultyStore):
        def get(self, locator):
            if locator.startswith("p1/"):
                other.delete(ADDRESS)
            return super().get(locator)

    with pytest.raises(ObjectNotFoundError):
        build(ORDERS[1], Erased(inner)).get_into(ref, io.BytesIO())


def test_head_that_no_one_can_open_is_replaced_and_deleted(build):
    for body in (b"", b"LMLA", noise(300), b"LMLA\x01\x00\x08\x93\x01\xa1-\xc4\x00..."):
        stack = build(ORDERS[0])
        store = stack.engine.store
        head = stack.engine.place(ADDRESS).head
        store.put(head, (body,))
        with pytest.raises(LamellaError):
            _read(stack)
        stack.put_stream(ADDRESS, [SPLIT])
        assert _read(stack) == SPLIT
        store.put(head, (body,))
        stack.delete(ADDRESS)
        assert locators(store) == []


def test_only_a_missing_head_is_a_missing_value(build):
    stack = build(ORDERS[0])
    ref = stack.put(ADDRESS, None)
    assert stack.get(ref) is None
    stack.engine.store.delete(stack.engine.place(ADDRESS).head)
    for read in (lambda: stack.get(ref), lambda: stack.get_at(ADDRESS), lambda: stack.get_into(ref, io.BytesIO())):
        with pytest.raises(ObjectNotFoundError):
            read()
    ref = stack.put_stream(ADDRESS, [SPLIT])
    for part in locators(stack.engine.store)[1:]:
        stack.engine.store.delete(part)
    with pytest.raises(IntegrityError):
        stack.get_into(ref, io.BytesIO())


def test_parts_that_a_small_value_left_behind_go_with_it(build):
    for order in ORDERS:
        stack = build(order)
        stack.put_stream(ADDRESS, [SPLIT])
        stack.put(ADDRESS, 1)
        stack.delete(ADDRESS)
        assert locators(stack.engine.store) == []


def test_delete_removes_what_other_orders_and_stores_and_keys_wrote(build):
    first, second = MemoryStore(), UnconditionalStore()
    build(ORDERS[0], first).put_stream(ADDRESS, [SPLIT])
    build("cobblestone256", second).put_stream(ADDRESS, [SPLIT])
    today = build("zstd", first, others={"old": second})
    today.delete(ADDRESS)
    assert locators(first) + locators(second) == []
