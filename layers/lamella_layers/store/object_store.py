"""Objects in an S3 bucket, or in files as obstore keeps them.

Source: README.md in this folder, "s3" and "file".
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

from lamella.errors import ConfigError, StoreError
from lamella_layers.store.obstore_store import PART_BYTES, ObstoreStore
from lamella_layers.store.shared import check_locator, check_options, place, switch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore.store import LocalStore, S3Store
    from typing_extensions import Self

    from lamella.protocols.layer import Payload
    from lamella.protocols.store import Version

__all__ = ["FileObjectStore", "S3ObjectStore"]

_MAX_PARTS: Final = 10_000
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9a-f:.]+")
_FROM_ENVIRONMENT: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)


class S3ObjectStore(ObstoreStore):
    """A bucket of S3, or of a server that speaks its protocol."""

    scheme: ClassVar[str] = "s3"
    max_object_bytes: int | None = PART_BYTES * _MAX_PARTS

    def __init__(  # noqa: PLR0913 - one keyword an option
        self,
        bucket: str,
        prefix: str = "",
        *,
        region: str | None = None,
        endpoint: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        allow_http: bool = False,
        virtual_hosted_style: bool = False,
        conditional_put: bool = True,
    ) -> None:
        """Name the bucket and the folder in it; what is not given, the AWS environment gives.

        Raises:
            ConfigError: There is no bucket, half a credential, or an endpoint or prefix that cannot be used.
        """
        super().__init__()
        if not _BUCKET.fullmatch(bucket):
            raise ConfigError("an s3 store needs a bucket, of letters, digits, '.', '_' and '-': 's3://bucket/prefix'")
        if (access_key_id is None) != (secret_access_key is None):
            raise ConfigError("s3 store: give both access_key_id and secret_access_key, or neither")
        if endpoint is not None:
            _check_endpoint(endpoint, allow_http=allow_http)
        folder = prefix.strip("/")
        if folder and not {"", ".", ".."}.isdisjoint(folder.split("/")):
            raise ConfigError("s3 store: a component of the prefix is empty, '.' or '..'; remove it")
        self._bucket = bucket
        self._prefix = folder or None
        self._allow_http = allow_http
        self.conditional_put = conditional_put
        given = {
            "region": region,
            "endpoint": endpoint,
            "access_key_id": access_key_id,
            "secret_access_key": secret_access_key,
            "session_token": session_token,
        }
        _check_texts({**given, **{name: os.environ.get(name) for name in _FROM_ENVIRONMENT}})
        self._settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        self._settings["virtual_hosted_style_request"] = virtual_hosted_style
        # One DELETE: not every server knows the request for many, which answers 200 where a deletion was refused.
        self._settings["disable_bulk_delete"] = True

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> Self:
        """Build the store from `s3://bucket` or `s3://bucket/prefix`."""
        texts = ("region", "endpoint", "access_key_id", "secret_access_key", "session_token")
        switches = ("allow_http", "virtual_hosted_style", "conditional_put")
        check_options(cls.scheme, options, texts + switches)
        bucket, _, prefix = place(cls.scheme, url).partition("/")
        given: dict[str, Any] = {
            name: switch(cls.scheme, name, value) if name in switches else value for name, value in options.items()
        }
        return cls(bucket, prefix, **given)

    def _connect(self, obstore: Any) -> S3Store:  # noqa: ANN401 - a module that may be missing
        client: S3Store = obstore.S3Store(
            self._bucket,
            prefix=self._prefix,
            client_options={
                "allow_http": self._allow_http,
                "connect_timeout": timedelta(seconds=5),
                "read_timeout": timedelta(seconds=30),
                "timeout": timedelta(minutes=5),
            },
            retry_config={"max_retries": 5, "retry_timeout": timedelta(minutes=1)},
            **self._settings,
        )
        return client


def _check_endpoint(endpoint: str, *, allow_http: bool) -> None:
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in {"http", "https"} and _HOST.fullmatch(parts.hostname or "") and parts.port != 0
        usable = usable and "@" not in parts.netloc  # No request would carry a user, but obstore's errors would.
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            "s3 store: the endpoint is a URL of a host, and a port perhaps, without a user: https://storage.example:9000"
        )
    if parts.scheme == "http" and not allow_http:
        raise ConfigError("s3 store: the endpoint has no TLS; use https, or set allow_http = true")


def _check_texts(given: Mapping[str, str | None]) -> None:
    """Refuse what no header can carry, such as the line end of a file that a secret was read from."""
    for name, text in given.items():
        if text is not None and not (text.isascii() and text.isprintable() and " " not in text):
            raise ConfigError(f"s3 store: {name} holds a space, a line end or another odd character; remove it")


class FileObjectStore(ObstoreStore):
    """A folder of files, by obstore; it writes under no condition, and syncs nothing."""

    scheme: ClassVar[str] = "file"
    conditional_put: bool = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Name the folder, which is made when it is missing.

        Raises:
            ConfigError: The path is not absolute.
        """
        super().__init__()
        self._path = Path(path)
        if not self._path.is_absolute():
            raise ConfigError("a file store needs an absolute path: 'file:///var/lib/state'")

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, str]) -> Self:
        """Build the store from `file:///absolute`."""
        check_options(cls.scheme, options, ())
        return cls(place(cls.scheme, url))

    def get(self, locator: str) -> tuple[Version, Payload]:
        """Read a file; a pipe or a device, which obstore would wait for without end, is what somebody planted."""
        check_locator(locator)
        with suppress(OSError):
            mode = (self._path / locator).stat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise StoreError("there is no file at the locator, but a pipe or a device; remove it", locator=locator)
        return super().get(locator)

    def _connect(self, obstore: Any) -> LocalStore:  # noqa: ANN401 - a module that may be missing
        client: LocalStore = obstore.LocalStore(self._path, mkdir=True)
        return client
