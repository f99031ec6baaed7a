from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import ConfigError
from lamella.settings import masked, parse_bool, parse_date, parse_int, parse_key_id, parse_option, parse_size, unknown

_UNITS = st.sampled_from(
    [
        ("", 1),
        ("B", 1),
        ("KB", 1000),
        ("MB", 1000**2),
        ("GB", 1000**3),
        ("KiB", 1024),
        ("MiB", 1024**2),
        ("GiB", 1024**3),
    ]
)


@given(st.integers(0, 10**12), _UNITS, st.sampled_from(["", " "]))
def test_size_is_its_number_times_its_unit(number, unit, space):
    name, unit_bytes = unit
    assert parse_size("size", f"{number}{space}{name}") == number * unit_bytes


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_number_is_itself_and_a_short_text_of_it_too(number):
    assert parse_int("number", number) == number
    assert parse_int("number", str(number // 10)) == number // 10


@given(st.dates())
def test_date_is_itself_and_its_iso_text_too(day):
    assert parse_date("until", day) == parse_date("until", day.isoformat()) == day


@given(st.binary(min_size=8, max_size=8))
def test_key_id_is_read_from_its_hexadecimal_digits(key_id):
    assert parse_key_id("id", key_id.hex()) == key_id


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        *(
            (parse_size, value)
            for value in ("8 mib", "8  MiB", "-1", "1.5MiB", "", "MiB", 1.5, True, None, "9" * 30, 2**63)
        ),
        *((parse_int, value) for value in ("1_000", "1.0", "", " 1", "٣", True, 1.0, None, "9" * 20, 2**63, -(2**63))),
        *((parse_bool, value) for value in ("yes", "1", "", 1, 0, None)),
        *((parse_date, value) for value in ("2027-02-30", "20270131", "2027-1-31", "", 2027, dt.datetime(2027, 1, 31))),  # noqa: DTZ001 - a time of day in TOML has no zone
        *((parse_key_id, value) for value in ("00", "G" * 16, "A" * 16, "", b"8 bytes!", 1)),
        *((parse_option, value) for value in (None, 1.5, [], {}, 2**63, dt.date(2027, 1, 31))),
    ],
)
def test_value_of_another_kind_is_refused_by_name_and_not_repeated(parse, value):
    with pytest.raises(ConfigError, match=r"^this setting: must be ") as caught:
        parse("this setting", value)
    with pytest.raises(ConfigError) as of_another:
        parse("this setting", object())
    assert str(caught.value) == str(of_another.value)


def test_options_are_handed_over_as_text():
    assert [parse_option("x", value) for value in (True, False, 5000, "off")] == ["true", "false", "5000", "off"]


@pytest.mark.parametrize(
    "name",
    ["secret_access_key", "session_token", "access_key_id", "password", "PASSPHRASE", "sas_key", "auth", "credentials"],
)
def test_credential_is_masked_by_the_name_of_its_option(name):
    assert masked(name, "canary") == "***"


@pytest.mark.parametrize("name", ["url", "region", "endpoint", "fsync", "synchronous", "busy_timeout_ms", "allow_http"])
def test_plain_option_is_shown(name):
    assert masked(name, "plain") == "plain"


@pytest.mark.parametrize("user", ["me:canary", "me:can@ary", "me:can/ary", "canary"])
def test_user_in_front_of_a_host_is_masked(user):
    assert masked("endpoint", f"https://{user}@host/path") == "https://***@host/path"


def test_unknown_name_comes_with_the_nearest_or_with_all():
    assert unknown("layer", "ztsd", ["padme", "zstd"]) == "unknown layer 'ztsd'; did you mean 'zstd'?"
    assert unknown("layer", "qqq", ["zstd", "padme"]) == "unknown layer 'qqq'; there are: padme, zstd"
    assert unknown("layer", "qqq", []) == "unknown layer 'qqq'; there are: none"
