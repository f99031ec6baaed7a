"""No secret in what is shown: every form of every secret is looked for in every form of every error."""

from __future__ import annotations

import base64
import os
import traceback
from dataclasses import replace

import pytest

from lamella.errors import KeyringError, LamellaError
from lamella.keys import edit
from lamella.keys.derive import DATA_WRAP, derive
from lamella.keys.document import pack, unpack
from lamella.keys.export import open_backup, wrap_export
from lamella.keys.keyring import Keyring
from lamella.keys.material import KeyMaterial
from lamella.keys.providers import EnvKeyProvider, FileKeyProvider
from lamella.keys.record import KeyVersion

_RECORD = edit.add(edit.keygen("canary", created_at=1), "data", created_at=1)
_OTHER = edit.keygen("canary", created_at=1)
_KEY = _RECORD.keys[0]
_STAGED = _RECORD.keys[-1]
_SECRETS = [key.secret for key in (*_RECORD.keys, *_OTHER.keys)]


def _forms(secret):
    yield secret.hex()
    yield repr(secret)[2:-1]
    yield base64.b64encode(secret).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret).decode().rstrip("=")


def _shown_secrets(text):
    forms = [form for secret in (*_SECRETS, derive(_KEY.secret, DATA_WRAP)) for form in _forms(secret)]
    forms += [pack(each).split(":")[2] for each in (_RECORD, _OTHER)]
    return [form for form in forms if form in text]


def _altered(document, position):
    return document[:position] + ("A" if document[position] != "A" else "B") + document[position + 1 :]


def _tampered_body():
    body = bytearray(base64.urlsafe_b64decode(pack(_RECORD).split(":")[2] + "=="))
    return f"lamella-keyring:1:{base64.urlsafe_b64encode(bytes(body) + b'x').decode().rstrip('=')}:{'A' * 43}"


def _save_over(tmp_path, record):
    provider = FileKeyProvider(tmp_path / "keyring")
    provider.save(pack(_RECORD), replace=False)
    provider.save(pack(record), replace=True)


def _load_exposed(tmp_path):
    path = tmp_path / "exposed"
    path.write_text(pack(_RECORD))
    path.chmod(0o644)
    FileKeyProvider(path).load()


def _save_read_only():
    EnvKeyProvider("NAME").save(pack(_RECORD), replace=True)


_FAILURES = {
    "tag": lambda _: unpack(_altered(pack(_RECORD), -3)),
    "body": lambda _: unpack(_altered(pack(_RECORD), 120)),
    "extra data": lambda _: unpack(_tampered_body()),
    "spelling": lambda _: unpack(pack(_RECORD) + "x"),
    "secret as document": lambda _: unpack(_KEY.secret.hex()),
    "size": lambda _: unpack(pack(_RECORD) * 300),
    "mislabelled": lambda _: replace(_KEY, key_id=_OTHER.keys[0].key_id),
    "short secret": lambda _: replace(_KEY, secret=_KEY.secret[:31]),
    "bad role": lambda _: replace(_KEY, role=_KEY.secret.hex()),
    "bad status": lambda _: replace(_KEY, status=_KEY.secret.hex()),
    "duplicate": lambda _: replace(_RECORD, keys=(*_RECORD.keys, _STAGED)),
    "bad deployment": lambda _: replace(_RECORD, deployment=_KEY.secret.hex() * 2),
    "edit": lambda _: edit.disable(_RECORD, _KEY.key_id),
    "unknown key": lambda _: Keyring(_RECORD).unwrap(bytes(8), bytes(40)),
    "unwrap": lambda _: Keyring(_RECORD).unwrap(_KEY.key_id, bytes(40)),
    "overtaken": lambda path: _save_over(path, _RECORD),
    "other keyring": lambda path: _save_over(path, _OTHER),
    "exposed": _load_exposed,
    "read-only": lambda _: _save_read_only(),
    "own backup": lambda _: wrap_export(_RECORD, _RECORD),
    "damaged backup": lambda _: open_backup(_altered(wrap_export(_RECORD, _OTHER), 100), _OTHER),
}


@pytest.mark.parametrize("failure", _FAILURES)
def test_no_error_shows_a_secret(failure, tmp_path):
    with pytest.raises(LamellaError) as caught:
        _FAILURES[failure](tmp_path)
    shown = "".join(traceback.format_exception(caught.value))
    each = caught.value
    while each is not None:
        shown += f"{each!s} {each!r} {each.__dict__!r}"
        each = each.__cause__ or each.__context__
    assert _shown_secrets(shown) == []


def _open_env(document):
    os.environ["KEYRING_CANARY"] = document
    return Keyring.open(EnvKeyProvider("KEYRING_CANARY"), reload_after_seconds=0)


def _open_file(tmp_path, document):
    path = tmp_path / "keyring"
    path.write_text(document)
    path.chmod(0o600)
    Keyring.open(FileKeyProvider(path))


def _reload_damaged():
    keyring = _open_env(pack(_RECORD))
    os.environ["KEYRING_CANARY"] = _altered(pack(_RECORD), -3)
    keyring.unwrap(bytes(8), bytes(40))


_REFUSED_DOCUMENTS = {
    "tag": lambda _: _open_env(_altered(pack(_RECORD), -3)),
    "spelling": lambda _: _open_env(pack(_RECORD) + "x"),
    "not ascii": lambda path: _open_file(path, "\ufeff" + pack(_RECORD)),
    "reloaded": lambda _: _reload_damaged(),
}


def _locals(error):
    """Give what trackers of errors record: the locals of every frame, those of this file left out."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename != __file__:
            yield from frame.f_locals.values()


@pytest.mark.parametrize("refused", _REFUSED_DOCUMENTS)
def test_no_frame_of_the_error_holds_the_document_that_is_refused(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("KEYRING_CANARY", "")
    with pytest.raises(KeyringError) as caught:
        _REFUSED_DOCUMENTS[refused](tmp_path)
    each = caught.value
    while each is not None:
        assert _shown_secrets(" ".join(map(repr, _locals(each)))) == []
        each = each.__cause__ or each.__context__


@pytest.mark.parametrize(
    "holder",
    [_KEY, _RECORD, Keyring(_RECORD), KeyMaterial(_RECORD), KeyMaterial(_RECORD).primary],
    ids=["key-version", "record", "keyring", "material", "data-key"],
)
def test_nothing_that_holds_a_secret_shows_it(holder):
    assert _shown_secrets(f"{holder!r} {holder!s}") == []


def test_value_key_does_not_show_the_plain_key():
    value = Keyring(_RECORD).new_value_key(b"")
    assert not any(form in f"{value!r} {value!s}" for form in _forms(value.key))


def test_the_search_finds_a_secret_that_is_shown():
    assert isinstance(_KEY, KeyVersion)
    assert _shown_secrets(f"{_KEY.secret!r}")
    assert _shown_secrets(pack(_RECORD))
