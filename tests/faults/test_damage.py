"""Every byte of a stored object changed, every length cut: a named error, never a value."""

from __future__ import annotations

import io

import pytest

from lamella.errors import IntegrityError, LamellaError
from lamella.policy import Policy
from lamella.scope import Address, TaskScope
from lamella.testing import FaultyStore
from lamella.testing.payloads import mutations, noise
from lamella_layers.store.memory import MemoryStore

BEST = "zstd | padme | cobblestone256 | chunk"
ORDERS = (BEST, "cobblestone256 | zstd | chunk", "chunk | zstd | padme | cobblestone256", "zstd | cobblestone256")
SPLITTING = (BEST, "cobblestone256 | zstd | chunk", "chunk | zstd | padme | cobblestone256")
ADDRESS = Address(TaskScope("dag", "run", "task"), "key")
SMALL = {"cursor": 12345}
SPLIT_BYTES = 65_536 + 100


class Damage:
    """A stack whose store hands out one object changed."""

    def __init__(self, build, order, policy=None):
        self.inner = MemoryStore()
        self.changed = {}
        self.stack = build(
            order,
            FaultyStore(self.inner, mutate=self._change),
            policy=policy or Policy(),
        )

    def _change(self, locator, body):
        return self.changed.get(locator, body)

    def body(self, locator):
        return b"".join(self.inner.get(locator)[1])

    def refuses(self, ref, locator, body, read):
        self.changed = {locator: body}
        try:
            value = read(ref)
        except LamellaError:
            return True
        pytest.fail(f"damage at {locator} gave a value of {len(str(value))} characters")


def _flips(body, step=1):
    for at in range(0, len(body), step):
        for mask in (0x01, 0x80, 0xFF):
            yield body[:at] + bytes([body[at] ^ mask]) + body[at + 1 :]


def _cuts(body, step=1):
    yield from (body[:end] for end in range(0, len(body), step))
    yield from (body + more for more in (b"\0", b"LMLA", body))


def _streamed(stack):
    def read(ref):
        target = io.BytesIO()
        stack.get_into(ref, target)
        return target.getvalue()

    return read


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("change", [_flips, _cuts], ids=["flip", "cut"])
def test_every_changed_byte_of_a_small_object_is_refused(build, order, change):
    damage = Damage(build, order)
    ref = damage.stack.put(ADDRESS, SMALL)
    ((locator, body),) = [(each.locator, damage.body(each.locator)) for each in damage.inner.list("o1/")]
    count = 0
    for changed in change(body):
        assert damage.refuses(ref, locator, changed, damage.stack.get)
        assert damage.refuses(ref, locator, changed, lambda _: damage.stack.get_at(ADDRESS))
        count += 1
    assert count >= len(body)
    damage.changed = {}
    assert damage.stack.get(ref) == SMALL


@pytest.mark.parametrize("order", ORDERS)
def test_random_damage_of_a_small_object_is_refused(build, order):
    damage = Damage(build, order)
    ref = damage.stack.put(ADDRESS, SMALL)
    ((locator, body),) = [(each.locator, damage.body(each.locator)) for each in damage.inner.list("o1/")]
    for changed in mutations(body, 2000):
        assert changed == body or damage.refuses(ref, locator, changed, damage.stack.get)


@pytest.mark.parametrize("order", SPLITTING)
def test_every_changed_byte_of_a_head_and_a_short_part_is_refused(build, order):
    damage = Damage(build, order)
    ref = damage.stack.put_stream(ADDRESS, [noise(SPLIT_BYTES)])
    read = _streamed(damage.stack)
    assert read(ref) == noise(SPLIT_BYTES)
    parts = sorted(each.locator for each in damage.inner.list("p1/"))
    assert len(parts) >= 2
    for locator in (damage.stack.engine.place(ADDRESS).head, parts[-1]):
        body = damage.body(locator)
        step = max(1, len(body) // (150 if locator in parts else len(body)))
        for changed in (*_flips(body, step), *_cuts(body, step)):
            assert damage.refuses(ref, locator, changed, read)


@pytest.mark.parametrize("order", SPLITTING)
def test_changed_bytes_of_long_parts_are_refused(build, order):
    damage = Damage(build, order)
    ref = damage.stack.put_stream(ADDRESS, [noise(SPLIT_BYTES)])
    read = _streamed(damage.stack)
    for part in sorted(each.locator for each in damage.inner.list("p1/"))[:-1]:
        body = damage.body(part)
        edges = {*range(64), *range(len(body) - 64, len(body)), *range(0, len(body), 997), 16_384, 16_440}
        for at in edges:
            assert damage.refuses(ref, part, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :], read)
            assert damage.refuses(ref, part, body[:at], read)


@pytest.mark.parametrize("order", ["cobblestone256", "zstd | cobblestone256", BEST])
@pytest.mark.parametrize("size_bytes", [k * 16_384 + more for k in (1, 2) for more in (-1, 0, 1)])
def test_payload_cut_at_the_border_of_a_chunk_is_refused(build, order, size_bytes):
    damage = Damage(build, order)
    ref = damage.stack.put_stream(ADDRESS, [noise(size_bytes)])
    read = _streamed(damage.stack)
    locator = damage.stack.engine.place(ADDRESS).head
    body = damage.body(locator)
    payload_at = len(body) - (len(body) // 16_384) * 16_384
    for border in {*range(payload_at, len(body), 16_384), *range(len(body) - 3 * 16_400, len(body), 16_400)}:
        for end in range(max(0, border - 40), min(len(body), border + 120)):
            assert damage.refuses(ref, locator, body[:end], read)


def test_plain_stack_reports_broken_framing_as_a_named_error(build):
    damage = Damage(build, "zstd | padme | chunk", Policy(allow_plaintext=True))
    ref = damage.stack.put(ADDRESS, SMALL)
    locator = damage.stack.engine.place(ADDRESS).head
    body = damage.body(locator)
    refused = 0
    for changed in (*_flips(body), *_cuts(body)):
        damage.changed = {locator: changed}
        try:
            damage.stack.get(ref)
        except LamellaError:
            refused += 1
    assert refused > len(body)


def test_damage_is_one_sentence_whatever_was_damaged(build):
    damage = Damage(build, BEST)
    ref = damage.stack.put(ADDRESS, SMALL)
    locator = damage.stack.engine.place(ADDRESS).head
    body = damage.body(locator)
    said = set()
    for changed in (body[:-1], body + b"\0", body[:-20] + bytes(20), b"", b"LMLA", b"\0" * 500):
        damage.changed = {locator: changed}
        with pytest.raises(IntegrityError) as refused:
            damage.stack.get(ref)
        said.add(str(refused.value))
        assert refused.value.locator == locator
        assert not refused.value.transient
    assert len(said) == 1


@pytest.mark.parametrize("size_bytes", [10, SPLIT_BYTES])
def test_target_is_as_it_was_when_the_last_byte_does_not_verify(build, tmp_path, size_bytes):
    damage = Damage(build, BEST)
    ref = damage.stack.put_stream(ADDRESS, [noise(size_bytes)])
    last = max((each.locator for each in damage.inner.list("p1/")), default=damage.stack.engine.place(ADDRESS).head)
    body = damage.body(last)
    damage.changed = {last: body[:-1] + bytes([body[-1] ^ 1])}
    path = tmp_path / "target"
    path.write_bytes(b"before")
    target = io.BytesIO(b"before")
    for each in (path, target):
        with pytest.raises(IntegrityError):
            damage.stack.get_into(ref, each)
    assert path.read_bytes() == target.getvalue() == b"before"
    assert target.tell() == 0
    assert [each.name for each in tmp_path.iterdir()] == ["target"]
