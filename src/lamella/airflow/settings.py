"""The section `[lamella]`, read: what is Lamella's own goes to its configuration, the rest is for this provider.

Source: docs/airflow.md, "Options".
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.configuration import conf

from lamella.airflow.audit import warn
from lamella.airflow.options import OPTIONS, RECOMMENDED_LAYERS, SECTION
from lamella.doors import Given
from lamella.errors import ConfigError
from lamella.settings import unknown
from lamella.state.inner import open_state_stack
from lamella.wire.ref import ALIAS

if TYPE_CHECKING:
    import datetime as dt

    from lamella.stack import Stack

__all__ = ["MAX_ROW_BYTES", "AirflowSettings", "open_metastore_stack", "open_worker_stack", "read_settings"]

MAX_ROW_BYTES: Final = 8 * 1024**2
"""A sealed object in a row: its ref, a third longer, fits the smallest column, a MEDIUMTEXT of MySQL (16 MiB)."""
_IN_ROWS: Final[dict[str, object]] = {"alias": "metastore", "limits.max_inline_bytes": MAX_ROW_BYTES}
"""The alias is of its own: the worker's store may have the name that is configured, and may stand under [stores]."""
_WHOLE: Final = ("backend:", "inline:")
"""What the URL of a store begins with that holds no parts."""


_ELSEWHERE: Final = frozenset(
    f"{name}_{source}" for name, option in OPTIONS.items() if option.sensitive for source in ("cmd", "secret")
)
"""By which options Airflow is told to ask a command or its secrets backend for another one."""
_PREFIX: Final = f"AIRFLOW__{SECTION.upper()}__"


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowSettings:
    """The options of `[lamella]`.

    Attributes:
        stack: Settings of Lamella itself, by their dotted names, each with the option that gave it.
        config: The path of a lamella.toml, where one is named.
        missing_object: `raise` or `none`: what a read gives whose object is gone.
        fallback_backend: The class that wrote before; empty where there was none.
        fallback_base: The URL under which its refs must lie; empty means Airflow's own option.
        migrate_until: The last day, by UTC, on which it is read.
        metastore_layers: The layers of the server side.
    """

    stack: dict[str, Given]
    config: str | None
    missing_object: str
    fallback_backend: str
    fallback_base: str = field(repr=False)
    migrate_until: dt.date | None
    metastore_layers: str


def read_settings() -> AirflowSettings:
    """Read the section from where Airflow takes it: the environment, then airflow.cfg.

    Raises:
        ConfigError: An option is unknown, of the wrong type, or contradicts another one.
    """
    _refuse_unknown()
    given = {name: _read(name) for name in OPTIONS}
    if bool(given["fallback_backend"]) != bool(given["migrate_until"]):
        raise ConfigError(f"[{SECTION}] fallback_backend and migrate_until: give both, or none")
    return AirflowSettings(
        stack=_stack_settings(given),
        config=given["config"] or None,
        missing_object=given["missing_object"],
        fallback_backend=given["fallback_backend"] or "",
        fallback_base=given["fallback_base"] or "",
        migrate_until=given["migrate_until"] or None,
        metastore_layers=given["metastore_layers"],
    )


def open_worker_stack() -> Stack:
    """Build the stack of the worker's side.

    Raises:
        ConfigError: It cannot be built.
        KeyringError: Its keyring cannot be opened.
    """
    settings = read_settings()
    stack = open_state_stack(path=settings.config, settings=settings.stack)
    if stack.engine.store.scheme == "memory":
        warn("the memory store ends with this process, and its values with it; use one that stays")
    return stack


def open_metastore_stack() -> Stack:
    """Build the stack of the server's side, which keeps the sealed value in the text that the database stores.

    Raises:
        ConfigError: It cannot be built.
        KeyringError: Its keyring cannot be opened.
    """
    settings = read_settings()
    chain = _given(f"{settings.metastore_layers} | inline://", "metastore_layers")
    return open_state_stack(path=settings.config, settings={**settings.stack, **_IN_ROWS, "chain": chain})


def _refuse_unknown() -> None:
    variables = {name: name[len(_PREFIX) :].lower() for name in os.environ if name.upper().startswith(_PREFIX)}
    names = {*variables.values()}
    if conf.has_section(SECTION):
        names.update({*conf.options(SECTION)} - conf.defaults().keys())  # [DEFAULT] gives its options to every section.
    for name in sorted(names):
        if name not in OPTIONS and name not in _ELSEWHERE:
            raise ConfigError(f"[{SECTION}]: {unknown('option', name, OPTIONS)}")
    for variable, name in variables.items():
        if variable != (spelt := f"{_PREFIX}{name.upper()}"):
            raise ConfigError(f"environment {variable}: Airflow does not read this spelling; rename it to {spelt}")


def _read(name: str) -> Any:  # noqa: ANN401 - of the type that the option has
    option = OPTIONS[name]
    text = conf.get(SECTION, name, fallback="") or option.default
    return option.read(f"[{SECTION}] {name}", text) if text else ""


def _given(value: object, *names: str) -> Given:
    """Return a setting of Lamella's own, and by which options whoever reads a message knows it."""
    return Given(value, f"[{SECTION}] {' and '.join(names)}")


def _stack_settings(given: dict[str, Any]) -> dict[str, Given]:
    """Return the settings of Lamella's own that the options give."""
    settings = {
        OPTIONS[name].setting: _given(value, name)
        for name, value in given.items()
        if OPTIONS[name].setting and value != ""
    }
    if given["store"]:
        if given["chain"]:
            raise ConfigError(f"[{SECTION}] chain: give either chain, or layers and store")
        layers = given["layers"] or RECOMMENDED_LAYERS
        if not given["layers"] and not given["store"].lstrip('"').startswith(_WHOLE):
            layers = f"{RECOMMENDED_LAYERS} | chunk"
        is_end = ALIAS.fullmatch(given["store"]) or given["store"].startswith('"')
        chain = f"{layers} | {given['store']}" if is_end else f'{layers} | "{given["store"]}"'
        settings["chain"] = _given(chain, *(name for name in ("layers", "store") if given[name]))
    elif given["layers"]:
        raise ConfigError(f"[{SECTION}] layers: give the store too, or both in chain")
    if until := given["accept_plaintext_until"]:
        settings["policy.accept"] = _given([{"strength": 0, "until": until}], "accept_plaintext_until")
    return settings
