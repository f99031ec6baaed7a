"""The local check of an untrusted manifest, before anything is fetched or decoded.

A manifest says what an object went through; it never decides what this process is willing to trust. That stands here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamella.errors import ConfigError, ManifestRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Accept", "Policy", "admit", "hold_floor", "require_fips", "today"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """A dated permission to read what is sealed more weakly than today's stack seals.

    Attributes:
        strength: The strength class that is still read; 0 is plaintext.
        until: The last day, by UTC, on which it is.
    """

    strength: int
    until: dt.date

    def __post_init__(self) -> None:
        """Refuse a permission without an end."""
        if type(self.strength) is not int or self.strength < 0:
            raise ConfigError("policy.accept: strength must be a whole number, 0 for plaintext")
        if type(self.until) is not dt.date:
            raise ConfigError("policy.accept: until must be a date like 2027-01-31")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What this process writes and reads.

    Attributes:
        allow_plaintext: A stack without a sealing layer may be built.
        strict: Every `StackWarning` is a `StackOrderError`.
        accept: Weaker objects that are read for a while.
        require_fips: Refuse to start unless the cryptography library runs in FIPS mode.
    """

    allow_plaintext: bool = False
    strict: bool = False
    accept: tuple[Accept, ...] = ()
    require_fips: bool = False


def require_fips() -> None:
    """Refuse to start where the cryptography library does not run in FIPS mode.

    Raises:
        ConfigError: It does not.
    """
    from cryptography.hazmat.bindings._rust import openssl  # noqa: PLC0415 - only who requires FIPS pays for it

    if not openssl.is_fips_enabled():
        raise ConfigError(
            "policy.require_fips is set, but the installed cryptography library does not run in FIPS mode; "
            "install one that is built against a FIPS provider"
        )


def admit(strongest: int, required: int, policy: Policy) -> None:
    """Admit an object whose strongest seal is of this class, or refuse it.

    Raises:
        ManifestRefusedError: It is below `required` and no permission of today covers it.
    """
    if strongest >= required:
        return
    if any(strongest >= accept.strength and today() <= accept.until for accept in policy.accept):
        return
    what = "is not sealed" if strongest == 0 else f"is sealed with strength {strongest}"
    raise ManifestRefusedError(
        f"the object {what}, today's stack requires {required}; if that is meant, accept it for a while: "
        f'policy.accept = [{{ strength = {strongest}, until = "YYYY-MM-DD" }}]'
    )


def today() -> dt.date:
    """Return the day, in UTC, on which a dated permission holds or is over."""
    return dt.datetime.now(dt.timezone.utc).date()


def hold_floor(ref_strengths: Sequence[int], object_strengths: Sequence[int]) -> None:
    """Hold the ref's manifest as the floor under an object whose header has another one.

    Raises:
        ManifestRefusedError: The object lacks a seal that the ref promises, or the ref has none.
    """
    if not ref_strengths:
        raise ManifestRefusedError(
            "the ref promises no seal, and the object was written again with other layers; use the ref of that write"
        )
    promised = sorted(ref_strengths, reverse=True)
    found = sorted(object_strengths, reverse=True)[: len(promised)]
    if len(found) == len(promised) and all(map(int.__ge__, found, promised)):
        return
    raise ManifestRefusedError("the object is sealed more weakly than its ref promises; write the value again")
