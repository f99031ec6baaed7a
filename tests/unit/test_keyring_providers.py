from __future__ import annotations

import errno
import os
import signal
import stat
import threading

import pytest

from lamella.errors import ConfigError, KeyProviderUnavailableError, KeyringError
from lamella.keys import providers
from lamella.keys.document import MAX_DOCUMENT_BYTES, pack, unpack
from lamella.keys.edit import add, check_successor, keygen
from lamella.keys.providers import EnvKeyProvider, FileKeyProvider

_RECORD = keygen("providers", created_at=1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lamella.keyring"


@pytest.fixture
def provider(path):
    return FileKeyProvider(path)


@pytest.fixture
def saved(provider):
    provider.save(pack(_RECORD), replace=False)
    return provider


def _fails_with(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


def test_saved_file_is_for_its_owner_alone_whatever_the_umask(provider, path):
    umask = os.umask(0)
    try:
        provider.save(pack(_RECORD), replace=False)
        provider.save(pack(add(_RECORD, "data", created_at=1)), replace=True)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o777])
def test_file_that_others_can_access_is_refused_with_the_command_that_closes_it(saved, path, mode):
    path.chmod(mode)
    with pytest.raises(KeyringError, match=f"chmod 600 {path}"):
        saved.load()
    with pytest.raises(KeyringError, match=f"chmod 600 {path}"):
        saved.save(pack(add(_RECORD, "data", created_at=1)), replace=True)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_file_that_only_its_owner_can_access_is_read(saved, path, mode):
    path.chmod(mode)
    assert unpack(saved.load()) == _RECORD


def test_missing_file_is_named_with_the_command_that_makes_it(provider, path):
    with pytest.raises(KeyringError, match=f"lamella keygen --deployment NAME --keyring file:{path}"):
        provider.load()


def test_existing_file_is_never_overwritten_by_a_new_keyring(provider, path):
    path.write_text("something else")
    with pytest.raises(KeyringError, match="never overwritten"):
        provider.save(pack(_RECORD), replace=False)
    assert path.read_text() == "something else"


def test_symbolic_link_is_followed_and_kept(saved, path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    linked = FileKeyProvider(link)
    edited = add(unpack(linked.load()), "data", created_at=1)
    linked.save(pack(edited), replace=True)
    assert link.is_symlink()
    assert unpack(saved.load()) == edited


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "named-pipe"])
def test_what_is_no_regular_file_is_refused(provider, path, make):
    make(path, mode=0o700)
    with pytest.raises(KeyringError, match="not a regular file"):
        provider.load()


@pytest.mark.parametrize(
    "content", [b"A" * (MAX_DOCUMENT_BYTES + 1), b"lamella-keyring:1:\xff"], ids=["large", "bytes"]
)
def test_file_that_cannot_be_a_document_is_refused(provider, path, content):
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyringError, match="not a keyring document"):
        provider.load()


def test_path_through_a_file_is_a_keyring_error(saved, path):
    below = FileKeyProvider(path / "below")
    for use in (below.load, lambda: below.save(pack(_RECORD), replace=False)):
        with pytest.raises(KeyringError, match="Not a directory") as refusal:
            use()
        assert not refusal.value.transient
    assert unpack(saved.load()) == _RECORD


def test_file_system_that_does_not_answer_is_transient(saved, monkeypatch):
    monkeypatch.setattr(os, "open", _fails_with(errno.EIO))
    with pytest.raises(KeyProviderUnavailableError, match="Input/output error"):
        saved.load()


@pytest.mark.parametrize("replace", [False, True])
def test_save_that_fails_leaves_the_old_document_and_nothing_else(saved, path, monkeypatch, replace):
    target = path if replace else path.with_name("new")
    monkeypatch.setattr(os, "fsync", _fails_with(errno.ENOSPC))
    with pytest.raises(KeyringError, match=r"cannot write .* No space left") as refusal:
        FileKeyProvider(target).save(pack(add(_RECORD, "data", created_at=1)), replace=replace)
    assert not refusal.value.transient
    assert unpack(saved.load()) == _RECORD
    assert {each.name for each in path.parent.iterdir()} <= {path.name, f"{path.name}.lock"}


@pytest.mark.parametrize("name", ["lamella.keyring", "[a-z]*?"])
def test_save_removes_what_killed_ones_left_and_nothing_else(tmp_path, forked, name):
    provider = FileKeyProvider(tmp_path / name)
    provider.save(pack(_RECORD), replace=False)
    kept = [f".{name}.20261128", f".{name}.swp", f"{name}.new-copy", f".{name}.new-copy-of-mine", ".a.new-12345678"]
    for each in kept:
        (tmp_path / each).touch()

    def save_and_die():
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        provider.save(pack(add(_RECORD, "data", created_at=1)), replace=True)

    with forked(save_and_die) as child:
        child.join()
    assert len(list(tmp_path.iterdir())) == len({name, f"{name}.lock", *kept}) + 1
    assert unpack(provider.load()) == _RECORD
    provider.save(pack(add(_RECORD, "data", created_at=1)), replace=True)
    assert {each.name for each in tmp_path.iterdir()} == {name, f"{name}.lock", *kept}


def test_folder_that_cannot_be_synced_refuses_the_save_and_keeps_the_old_document(saved, path, monkeypatch):
    opened = os.open

    def refuse(name, flags, *rest):
        if flags & os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return opened(name, flags, *rest)

    before = path.read_bytes()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(KeyringError, match="Permission denied"):
        saved.save(pack(add(unpack(saved.load()), "data", created_at=1)), replace=True)
    assert path.read_bytes() == before


def test_save_waits_while_another_one_is_between_its_check_and_its_write(saved, monkeypatch):
    first, second = (pack(add(_RECORD, "data", created_at=1)) for _ in range(2))
    refusals = []

    def save_second():
        try:
            saved.save(second, replace=True)
        except KeyringError as refusal:
            refusals.append(str(refusal))

    other = threading.Thread(target=save_second)

    def check_and_let_the_other_try(current, document):
        check_successor(current, document)
        monkeypatch.setattr(providers, "check_successor", check_successor)
        other.start()
        other.join(0.3)

    monkeypatch.setattr(providers, "check_successor", check_and_let_the_other_try)
    saved.save(first, replace=True)
    other.join()
    assert "someone else changed it" in refusals[0]
    assert saved.load() == first


def test_save_syncs_the_file_before_it_takes_the_name_and_the_folder_after(provider, path, monkeypatch):
    synced = []

    def fsync(descriptor):
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    provider.save(pack(_RECORD), replace=False)
    assert synced == [(False, False), (True, True)]


@pytest.mark.parametrize("rest", ["", "a\0b"])
def test_file_spec_that_names_no_path_is_a_config_error(rest):
    with pytest.raises(ConfigError, match="file:PATH"):
        FileKeyProvider.from_spec(rest)


@pytest.mark.parametrize("rest", ["", "1A", "A=B", "A B", "A\n", "LAMELLA__MY_KEYRING", "lamella__my_keyring"])
def test_env_spec_that_names_no_variable_is_a_config_error(rest):
    with pytest.raises(ConfigError, match="env:NAME"):
        EnvKeyProvider.from_spec(rest)


@pytest.mark.parametrize("document", [None, ""])
def test_variable_that_is_not_set_is_named(monkeypatch, document):
    monkeypatch.delenv("NO_KEYRING", raising=False)
    if document is not None:
        monkeypatch.setenv("NO_KEYRING", document)
    with pytest.raises(KeyringError, match="NO_KEYRING is not set"):
        EnvKeyProvider("NO_KEYRING").load()


def test_keyring_in_the_environment_is_read_only(monkeypatch):
    monkeypatch.setenv("UNIT_KEYRING", pack(_RECORD))
    with pytest.raises(KeyringError, match="'env' are read-only"):
        EnvKeyProvider("UNIT_KEYRING").save(pack(add(_RECORD, "data", created_at=1)), replace=True)


def test_document_where_its_path_belongs_is_refused_without_a_word_of_it():
    document = f"lamella-keyring:1:{'A' * 40}:{'B' * 43}"
    with pytest.raises(ConfigError, match="where its path belongs") as refused:
        FileKeyProvider.from_spec(document)
    assert "AAAA" not in str(refused.value)
