"""What obstore's errors are here.

Source: README.md in this folder, "s3" and "file".
"""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lamella.errors import StoreError, StoreUnavailableError
from lamella_layers.store.shared import conflict, kind_of, not_found

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_panic", "mapped"]

# What a retry cannot help: any refusal but "timeout" and "too many requests", and what the server does not implement.
_REFUSED: Final = re.compile(r"status code: (4(?!08|29)[0-9]{2}|501)")
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_OF_THE_SYSTEM: Final = re.compile(r"\(os error ([0-9]+)\)")


@contextmanager
def mapped(locator: str) -> Iterator[None]:
    """Raise obstore's errors as this project's own, with its own as their cause."""
    from obstore import exceptions  # noqa: PLC0415 - an optional dependency

    try:
        yield
    except FileNotFoundError as error:
        if not _is_absent(str(error)):
            raise _failure(error, locator) from error
        # To a write this is the answer of a server where a delete takes away the folder that it is made in.
        raise (conflict if "performing P" in str(error) else not_found)(locator) from error
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
        raise conflict(locator) from error
    except (exceptions.BaseError, OSError) as error:
        raise _failure(error, locator) from error
    except BaseException as error:
        if not is_panic(error):
            raise
        raise StoreError(
            "obstore gave up without an error of its own; look for odd characters in bucket, endpoint, region and "
            "credentials, and let no source of a stream use obstore itself: copy that to a file first",
            locator=locator,
        ) from error


def is_panic(error: BaseException) -> bool:
    """Tell whether Rust code below obstore panicked; the class cannot be imported, and is no Exception."""
    return type(error).__name__ == "PanicException"


def _is_absent(says: str) -> bool:
    """Tell whether a 404 means the object; one without S3's word for that is of a gateway, a bucket or an upload."""
    code = _CODE.search(says)
    return code[1] == "NoSuchKey" if code else not _REFUSED.search(says) or "performing HEAD" in says


def _failure(error: Exception, locator: str) -> StoreError:
    from obstore import exceptions  # noqa: PLC0415 - an optional dependency

    says, refused, code = str(error), _REFUSED.search(str(error)), _CODE.search(str(error))
    if not refused and (isinstance(error, OSError) or "LocalFileSystem" in says):
        found = _OF_THE_SYSTEM.search(says)
        number = int(found[1]) if found else 0
        reason = errno.errorcode.get(number, "unknown error")
        return kind_of(number)(
            f"the file store failed with {reason}; check the folder's free space, permissions and mount",
            locator=locator,
        )
    named = f" ({code[1]})" if code else ""
    if isinstance(error, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)) or (
        refused and refused[1] in {"401", "403"}
    ):
        return StoreError(
            f"access was denied{named}; check the credentials and what they are allowed to do", locator=locator
        )
    if "NoSuchBucket" in named:
        return StoreError("there is no such bucket; create it, or correct the URL", locator=locator)
    if "redirect without LOCATION" in says:
        return StoreError("the bucket is in another region; correct region and endpoint", locator=locator)
    if isinstance(error, exceptions.GenericError) and not refused:
        return StoreUnavailableError(
            "the store does not answer; try again, or check endpoint and network", locator=locator
        )
    status = f" with HTTP status {refused[1]}" if refused else ""
    return StoreError(f"the store refused the request{status}{named}; see the cause for its answer", locator=locator)
