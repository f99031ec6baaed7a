"""The options of airflow.cfg's section `[lamella]`: one table, from which Airflow's description of them is made.

Source: docs/airflow.md, "Options".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from lamella.errors import ConfigError
from lamella.settings import parse_date, parse_int, parse_text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OPTIONS", "RECOMMENDED_LAYERS", "SECTION", "SINCE", "Option"]

SECTION: Final = "lamella"
SINCE: Final = "0.1.0"
RECOMMENDED_LAYERS: Final = "zstd | padme | cobblestone256"


_BOOLEANS: Final = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}


def _parse_boolean(label: str, value: object) -> bool:
    """Read a boolean in the words that Airflow reads."""
    found = _BOOLEANS.get(str(value).strip().lower())
    if found is None:
        raise ConfigError(f"{label}: must be True or False")
    return found


def _one_of(words: tuple[str, ...], label: str, value: object) -> str:
    if value not in words:
        raise ConfigError(f"{label}: must be one of {', '.join(words)}")
    return str(value)


class Option(NamedTuple):
    """One option of the section.

    Attributes:
        description: What it does, for `airflow config list`.
        example: A value for the description.
        read: Reads its text.
        type: What Airflow calls its type.
        default: Its text where nobody gives one; empty is not given.
        setting: The dotted name of the setting of `lamella.toml` that it gives, where it gives one.
        sensitive: Whether it may hold a credential: Airflow hides it then, and reads it from a command or a secret too.
    """

    description: str
    example: str
    read: Callable[[str, object], object] = parse_text
    type: str = "string"
    default: str = ""
    setting: str = ""
    sensitive: bool = False


OPTIONS: Final[dict[str, Option]] = {
    "chain": Option(
        "The layers in write order and the store, on one line. Gives the same as `layers` and `store` together.",
        "zstd | padme | cobblestone256 | chunk | s3://bucket/state",
        setting="chain",
        sensitive=True,
    ),
    "layers": Option(
        "The layers in write order, beside `store`. Not given: zstd | padme | cobblestone256, and chunk if the store "
        "can hold parts.",
        "zstd(level=6) | padme | cobblestone256 | chunk",
    ),
    "store": Option(
        "The store beside `layers`: a URL, the alias of a store in lamella.toml, or backend: and the class of a state "
        "backend to put the layers around.",
        "backend:airflow.providers.common.io.state_store.backend.StateStoreObjectStorageBackend",
        sensitive=True,
    ),
    "alias": Option("The name by which refs know the store whose URL is given.", "main", setting="alias"),
    "config": Option(
        "The path of a lamella.toml for what has no option here: more stores, limits. Options here come before it.",
        "/etc/lamella/lamella.toml",
    ),
    "keyring": Option(
        "Where the keyring is: file:PATH or env:NAME. It is a secret; the option is not.",
        "file:/etc/lamella/team-a.keyring",
        setting="keyring",
    ),
    "deployment": Option("The deployment that the keyring must be of.", "prod", setting="keys.deployment"),
    "keyring_id": Option("The id that the keyring must have.", "8f1c2a9d03b7e645", setting="keys.keyring_id"),
    "min_epoch": Option(
        "The epoch that the keyring must have at least.", "3", parse_int, "integer", setting="keys.min_epoch"
    ),
    "strict": Option(
        "An order of layers that wastes or leaks is an error.",
        "True",
        _parse_boolean,
        "boolean",
        setting="policy.strict",
    ),
    "allow_plaintext": Option(
        "Layers without a seal may be configured.", "True", _parse_boolean, "boolean", setting="policy.allow_plaintext"
    ),
    "accept_plaintext_until": Option(
        "The last day (UTC) on which values that are not sealed are read: rows that were written before, or past the "
        "backend.",
        "2027-01-31",
        parse_date,
    ),
    "missing_object": Option(
        "What a read gives whose row refers to an object that is gone: raise an error, or none. Airflow itself leaves "
        "such rows when a worker dies between clear_on_success's two steps.",
        "none",
        partial(_one_of, ("raise", "none")),
        default="raise",
    ),
    "fallback_backend": Option(
        "The class of the state backend that wrote before; what it wrote is read until migrate_until.",
        "airflow.providers.common.io.state_store.backend.StateStoreObjectStorageBackend",
    ),
    "fallback_base": Option(
        "The URL under which refs of fallback_backend must lie. Not given: [common.io] state_store_objectstorage_path.",
        "s3://conn_id@bucket/task-state",
        sensitive=True,
    ),
    "migrate_until": Option("The last day (UTC) on which fallback_backend is read.", "2027-01-31", parse_date),
    "metastore_layers": Option(
        "The layers of LamellaMetastoreBackend, which keeps the sealed value in the metadata database itself.",
        "padme | cobblestone256",
        default=RECOMMENDED_LAYERS,
    ),
}
"""By name; each one is optional."""
