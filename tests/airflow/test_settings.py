"""What the options of `[lamella]` may say, beyond what Lamella's own configuration refuses."""

from __future__ import annotations

from importlib import import_module

import pytest
from airflow_harness.server import serving

from lamella.config import load_config
from lamella.errors import ConfigError


@pytest.fixture(scope="module", autouse=True)
def _process(make_home):
    with serving(make_home()):
        yield


@pytest.fixture
def settings():
    return import_module("lamella.airflow.settings")


@pytest.mark.parametrize(("text", "value"), [("True", True), ("t", True), ("1", True), ("FALSE", False), ("0", False)])
def test_booleans_are_read_in_airflows_words(settings, monkeypatch, text, value):
    monkeypatch.setenv("AIRFLOW__LAMELLA__STRICT", text)
    assert settings.read_settings().stack["policy.strict"].value is value


def test_other_word_for_a_boolean_is_refused(settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LAMELLA__STRICT", "yes please")
    with pytest.raises(ConfigError, match=r"\[lamella\] strict"):
        settings.read_settings()


@pytest.mark.parametrize(
    "variable", ["AIRFLOW__LAMELLA__min_epoch", "airflow__lamella__min_epoch", "Airflow__Lamella__Min_Epoch"]
)
def test_variable_that_airflow_does_not_read_for_its_case_is_refused_by_the_right_spelling(
    settings, monkeypatch, variable
):
    monkeypatch.setenv(variable, "99")
    with pytest.raises(ConfigError, match=f"^environment {variable}: .*AIRFLOW__LAMELLA__MIN_EPOCH$"):
        settings.read_settings()


@pytest.mark.parametrize("variable", ["AIRFLOW__LAMELLA__MIN_EPOC", "airflow__lamella__min_epoc"])
def test_unknown_variable_is_refused_in_any_case(settings, monkeypatch, variable):
    monkeypatch.setenv(variable, "99")
    with pytest.raises(ConfigError, match="did you mean 'min_epoch'"):
        settings.read_settings()


def test_options_of_a_default_section_are_not_taken_for_misspelt_ones(make_home):
    home = make_home()
    code = "from lamella.airflow.settings import read_settings; print(read_settings().stack['keys.min_epoch'].value)"
    (home.folder / "airflow.cfg").write_text("[DEFAULT]\nelsewhere = 1\n[lamella]\nmin_epoch = 7\n")
    assert home.python(code).stdout.splitlines()[-1] == "7"
    (home.folder / "airflow.cfg").write_text("[DEFAULT]\nelsewhere = 1\n[lamella]\nmin_epoc = 7\n")
    assert "did you mean 'min_epoch'" in home.python(code, check=False).stdout


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("alias", "Main", "alias ([lamella] alias): must be a letter"),
        ("keyring_id", "12", "keys.keyring_id ([lamella] keyring_id): must be 16 hexadecimal digits"),
        ("chain", "padme |", "chain ([lamella] chain): "),
        ("store", "chunk | bucket", "chain ([lamella] store): "),
        ("layers", "padme )", "chain ([lamella] layers and store): "),
        ("metastore_layers", "padme )", "chain ([lamella] metastore_layers): "),
    ],
)
def test_message_names_the_option_that_gave_the_setting(settings, monkeypatch, option, value, error):
    if option in {"store", "layers"}:
        monkeypatch.delenv("AIRFLOW__LAMELLA__CHAIN")
        monkeypatch.setenv("AIRFLOW__LAMELLA__STORE", "memory://")
    monkeypatch.setenv(f"AIRFLOW__LAMELLA__{option.upper()}", value)
    with pytest.raises(ConfigError) as caught:
        (settings.open_metastore_stack if option == "metastore_layers" else settings.open_worker_stack)()
    assert str(caught.value).startswith(error)


def test_settings_of_the_section_keep_their_options_as_origins(settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LAMELLA__ACCEPT_PLAINTEXT_UNTIL", "2999-12-31")
    config = load_config(settings=settings.read_settings().stack)
    assert config.origins["policy.accept"] == "[lamella] accept_plaintext_until"
    assert config.origins["chain"] == "[lamella] chain"
    assert config.policy.accept[0].strength == 0


@pytest.mark.parametrize("name", ["LamellaStateBackend", "LamellaMetastoreBackend"])
def test_lamella_does_not_wrap_either_of_its_own_sides(settings, monkeypatch, name):
    monkeypatch.setenv("AIRFLOW__LAMELLA__CHAIN", f"cobblestone256 | backend:lamella.airflow.{name}")
    with pytest.raises(ConfigError, match="is Lamella itself"):
        settings.open_worker_stack()


@pytest.mark.parametrize("source", ["variable", "airflow.cfg"])
@pytest.mark.parametrize("kind", ["cmd", "secret"])
def test_option_that_may_hold_a_credential_is_read_from_a_command_or_a_secret(make_home, source, kind):
    home = make_home({"lamella.chain": None, "secrets.backend": "airflow_harness.secret.FileSecret"})
    secret = home.folder / "chain"
    secret.write_text("cobblestone256 | memory://")
    told = f"cat {secret}" if kind == "cmd" else str(secret)
    if source == "variable":
        home = home.but({f"lamella.chain_{kind}": told})
    else:
        (home.folder / "airflow.cfg").write_text(f"[lamella]\nchain_{kind} = {told}\n")
    code = "from lamella.airflow.settings import read_settings; print(read_settings().stack['chain'].value)"
    assert home.python(code).stdout.splitlines()[-1] == "cobblestone256 | memory://"


def test_option_that_holds_no_credential_is_read_from_nowhere_else(settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LAMELLA__MIN_EPOCH_CMD", "echo 99")
    with pytest.raises(ConfigError, match="min_epoch_cmd"):
        settings.read_settings()


@pytest.mark.parametrize("store", ["bucket", "memory://", '"memory://"'])
def test_store_is_whatever_may_end_a_chain(settings, monkeypatch, tmp_path, store):
    (tmp_path / "lamella.toml").write_text('[stores.bucket]\nurl = "memory://"\n')
    monkeypatch.setenv("AIRFLOW__LAMELLA__CONFIG", str(tmp_path / "lamella.toml"))
    monkeypatch.delenv("AIRFLOW__LAMELLA__CHAIN")
    monkeypatch.setenv("AIRFLOW__LAMELLA__STORE", store)
    assert settings.open_worker_stack().engine.store.scheme == "memory"


@pytest.mark.parametrize(
    ("store", "holds_parts"), [("memory://", True), ('"memory://"', True), ("inline://", False), ('"inline://"', False)]
)
def test_layers_that_are_not_given_have_chunk_only_if_the_store_can_hold_parts(
    settings, monkeypatch, store, holds_parts
):
    monkeypatch.delenv("AIRFLOW__LAMELLA__CHAIN")
    monkeypatch.setenv("AIRFLOW__LAMELLA__STORE", store)
    assert settings.open_worker_stack()
    assert ("| chunk |" in settings.read_settings().stack["chain"].value) is holds_parts


def test_store_that_would_smuggle_in_a_layer_is_refused(settings, monkeypatch):
    monkeypatch.delenv("AIRFLOW__LAMELLA__CHAIN")
    monkeypatch.setenv("AIRFLOW__LAMELLA__STORE", "chunk | bucket")
    with pytest.raises(ConfigError, match="must be a store"):
        settings.open_worker_stack()


def test_memory_store_of_a_worker_is_warned_of(settings, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__LAMELLA__CHAIN", "cobblestone256 | memory://")
    settings.open_worker_stack()
    (record,) = [record for record in caplog.records if record.name == "lamella.airflow"]
    assert record.levelname == "WARNING"
    assert "ends with this process" in record.getMessage()


def test_what_was_read_shows_no_credential(settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LAMELLA__CHAIN", "padme | s3://bucket?secret_access_key=CANARY")
    monkeypatch.setenv("AIRFLOW__LAMELLA__FALLBACK_BASE", "s3://me:CANARY@bucket")
    read = settings.read_settings()
    assert read.fallback_base == "s3://me:CANARY@bucket"
    assert "[lamella] chain" in repr(read)
    assert "CANARY" not in repr(read)
