from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import Mock

import pytest

from lamella.errors import KeyProviderUnavailableError, KeyringError, KeyVersionNotFoundError
from lamella.keys import edit
from lamella.keys.document import pack
from lamella.keys.keyring import Keyring
from lamella.protocols.key_provider import KeyProvider
from lamella.registry import installed_registry
from lamella.scope import Address, TaskScope
from lamella.stack import Stack

_OLD = edit.keygen("reload", created_at=1)
_STAGED = edit.add(_OLD, "data", created_at=2)
_NEW = edit.promote(_STAGED, _STAGED.keys[-1].key_id)
_APART = edit.add(edit.add(edit.add(_OLD, "data", created_at=3), "data", created_at=4), "ref", created_at=5)
_UNKNOWN = bytes(8)


class _Place(KeyProvider):
    """A place whose document a test changes, and which counts its loads."""

    name = "place"

    def __init__(self, record):
        self.record = record
        self.error = None
        self.loads = 0

    @classmethod
    def from_spec(cls, rest):
        raise NotImplementedError(rest)

    def load(self):
        self.loads += 1
        if self.error is not None:
            raise self.error
        return pack(self.record)


class _Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def place():
    return _Place(_OLD)


@pytest.fixture
def clock():
    return _Clock()


@pytest.fixture
def ring(place, clock):
    return Keyring.open(place, clock=clock)


def _unwrap_unknown(ring):
    with pytest.raises(KeyVersionNotFoundError) as refusal:
        ring.unwrap(_UNKNOWN, bytes(40))
    return refusal.value


def test_key_that_came_after_the_start_is_found_by_reading_again(ring, place):
    value = Keyring(_NEW).new_value_key(b"")
    place.record = _NEW
    assert ring.unwrap(value.key_id, value.wrapped_key) == value.key
    assert ring.epoch == _NEW.epoch
    assert ring.new_value_key(b"").key_id == _NEW.primary("data").key_id


def test_ref_key_that_came_after_the_start_is_found_by_reading_again(ring, place):
    place.record = edit.add(_OLD, "ref", created_at=2)
    key_id = place.record.keys[-1].key_id
    assert ring.mac_ref(b"ref", key_id) == Keyring(place.record).mac_ref(b"ref", key_id)


def test_disabled_key_that_was_activated_is_found_by_reading_again(place, clock):
    value = Keyring(_OLD).new_value_key(b"")
    place.record = edit.disable(_NEW, value.key_id)
    ring = Keyring.open(place, clock=clock)
    place.record = edit.activate(place.record, value.key_id)
    assert ring.unwrap(value.key_id, value.wrapped_key) == value.key


def test_unknown_keys_read_the_document_once_in_10_seconds(ring, place, clock):
    for _ in range(5):
        _unwrap_unknown(ring)
    assert place.loads == 2
    clock.now += 9.99
    _unwrap_unknown(ring)
    assert place.loads == 2
    clock.now += 0.01
    _unwrap_unknown(ring)
    assert place.loads == 3


def test_failed_reading_counts_as_one_and_keeps_the_keys(ring, place):
    value = ring.new_value_key(b"")
    place.error = KeyProviderUnavailableError("the place does not answer; try again")
    refusal = _unwrap_unknown(ring)
    assert "reading the keyring again failed: the place does not answer" in str(refusal)
    assert refusal.__cause__ is place.error
    assert refusal.transient
    assert str(_unwrap_unknown(ring)) == str(refusal)
    assert place.loads == 2
    assert ring.unwrap(value.key_id, value.wrapped_key) == value.key


def test_failed_reading_is_forgotten_once_the_document_is_read(ring, place, clock):
    place.error = KeyProviderUnavailableError("the place does not answer; try again")
    _unwrap_unknown(ring)
    place.error = None
    clock.now += 10
    refusal = _unwrap_unknown(ring)
    assert "failed" not in str(refusal)
    assert not refusal.transient


@pytest.mark.parametrize("failure", [ConnectionError("the secret"), None, b"the secret"], ids=type)
def test_failing_provider_is_named_and_no_damage_of_the_object(failure):
    place = _Place(_OLD)
    store = installed_registry().store("memory").from_url("memory://", {})
    layers = [installed_registry().layer("cobblestone256")()]
    address = Address(TaskScope("dag", "run", "task"), "key")
    ref = Stack(layers, store, Keyring(_NEW)).put(address, 1)
    stack = Stack(layers, store, Keyring.open(place))
    place.load = Mock(side_effect=failure if isinstance(failure, Exception) else None, return_value=failure)
    for attempt in (lambda: stack.get(ref), lambda: Keyring.open(place)):
        with pytest.raises(KeyringError, match="the key provider 'place' failed with") as refusal:
            attempt()
        assert "the secret" not in str(refusal.value)


def test_interruption_within_a_reading_passes_as_it_is(place):
    def handle(_number, _frame):
        raise RuntimeError("time is up")

    place.load = lambda: signal.raise_signal(signal.SIGUSR1)
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with pytest.raises(RuntimeError, match="time is up"):
            Keyring.open(place)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (_STAGED, "of epoch 2, does not follow"),
        (_APART, "of epoch 4, does not follow"),
        (replace(edit.keygen("reload", created_at=1), epoch=9), "of another keyring or deployment"),
        (replace(_NEW, deployment="other", epoch=9), "of another keyring or deployment"),
    ],
    ids=["older", "edited-apart", "other-keyring", "other-deployment"],
)
def test_document_that_cannot_follow_is_refused_and_the_keys_stay(place, clock, record, reason):
    place.record = _NEW
    ring = Keyring.open(place, clock=clock)
    place.record = record
    refusal = _unwrap_unknown(ring)
    assert reason in str(refusal)
    assert isinstance(refusal.__cause__, KeyringError)
    assert (ring.epoch, ring.deployment, ring.keyring_id) == (_NEW.epoch, "reload", _NEW.keyring_id)


def test_known_keys_never_read_the_document_again(ring, place):
    value = ring.new_value_key(b"")
    ring.unwrap(value.key_id, value.wrapped_key)
    ring.mac_ref(b"ref", ring.ref_key_id)
    ring.hedge(b"")
    assert place.loads == 1


def test_keyring_in_memory_has_nothing_to_read_again():
    assert "is unknown" in str(_unwrap_unknown(Keyring.ephemeral()))


def test_threads_that_meet_a_new_key_together_read_once_and_all_find_it(ring, place):
    value = Keyring(_NEW).new_value_key(b"")
    place.record = _NEW
    barrier = threading.Barrier(8)

    def unwrap(_):
        barrier.wait()
        return ring.unwrap(value.key_id, value.wrapped_key)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(unwrap, range(8))) == {value.key}
    assert place.loads == 2
