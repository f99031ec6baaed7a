"""Which orders of layers work, and which work but waste or leak.

An order that can be unwound is accepted. A warning names the better order; what cannot work is refused when the stack
is built, never at the first write.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from lamella.errors import StackOrderError, StackWarning
from lamella.protocols.layer import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.protocols.layer import Layer
    from lamella.protocols.store import Store

__all__ = ["better_order", "judge_order", "order_warnings", "refuse_order"]

_BEST: Final = (Role.OTHER, Role.COMPRESS, Role.PAD, Role.ENCRYPT, Role.SPLIT)


def refuse_order(layers: Sequence[Layer], store: Store) -> None:
    """Refuse what cannot work over this store.

    Raises:
        StackOrderError: Two splits, a split over a store that keeps no parts, or a layer of no known role.
    """
    for layer in layers:
        if layer.role not in _BEST:
            raise StackOrderError(f"layer {layer.name!r} has the unknown role {layer.role!r}; report it to its authors")
    splits = [layer.name for layer in layers if layer.role == Role.SPLIT]
    if len(splits) > 1:
        raise StackOrderError(f"a stack splits once at most, this one by {' and '.join(splits)}; remove one")
    if splits and store.in_ref:
        raise StackOrderError(
            f"{splits[0]} makes parts, but the store {store.scheme!r} takes each value whole, as one object "
            f"with one ref; remove {splits[0]}"
        )
    if splits and not store.lists:
        raise StackOrderError(
            f"{splits[0]} needs a store that lists, or a delete could not find the parts; "
            f"{store.scheme}:// does not: remove {splits[0]} or choose another store"
        )


def judge_order(layers: Sequence[Layer], *, strict: bool) -> None:
    """Warn whoever builds the stack of what its order wastes or leaks.

    Raises:
        StackOrderError: There is something, and `strict` is set.
    """
    for sentence in order_warnings(layers):
        advice = f"{sentence}; the better order is: {better_order(layers)}"
        if strict:
            raise StackOrderError(advice)
        warnings.warn(advice, StackWarning, stacklevel=3)


def order_warnings(layers: Sequence[Layer]) -> list[str]:
    """Say what the order wastes or leaks, one sentence each."""
    roles = [layer.role for layer in layers]
    names = [layer.name for layer in layers]
    found = [sentence for check in (_pairs, _lengths) for sentence in check(roles, names)]
    doubled = {Role.ENCRYPT: "seals twice under one keyring", Role.COMPRESS: "compresses twice", Role.PAD: "pads twice"}
    for role, what in doubled.items():
        if roles.count(role) > 1:
            found.append(f"the stack {what}: one of the layers costs time and gives nothing")
    return [*dict.fromkeys(found)]  # Two layers of one name are judged alike.


def better_order(layers: Sequence[Layer]) -> str:
    """Return the names in the recommended order, with padding between compression and a seal."""
    ranked = sorted(layers, key=lambda layer: _BEST.index(layer.role))
    names = list(dict.fromkeys(layer.name for layer in ranked))
    roles = [layer.role for layer in ranked]
    if Role.COMPRESS in roles and Role.ENCRYPT in roles and Role.PAD not in roles:
        names.insert(names.index(ranked[roles.index(Role.ENCRYPT)].name), "padme")
    return " | ".join(names)


def _pairs(roles: Sequence[str], names: Sequence[str]) -> list[str]:
    """Judge every two layers whose order matters."""
    wasteful = {
        (Role.ENCRYPT, Role.COMPRESS): "{1} after {0} compresses ciphertext, which never gets smaller",
        (Role.ENCRYPT, Role.PAD): "{1} after {0} pads outside the seal, where nobody verifies it",
        (Role.PAD, Role.COMPRESS): "{1} after {0} compresses the padding away, so lengths leak again",
    }
    ordered = [(i, j) for j in range(len(roles)) for i in range(j)]
    return [
        wasteful[roles[i], roles[j]].format(names[i], names[j]) for i, j in ordered if (roles[i], roles[j]) in wasteful
    ]


def _lengths(roles: Sequence[str], names: Sequence[str]) -> list[str]:
    """Find a seal that shows how well the value compressed."""
    relevant = [(role, name) for role, name in zip(roles, names, strict=True) if role not in (Role.SPLIT, Role.OTHER)]
    return [
        f"{second[1]} right after {first[1]} shows how well a value compresses, from which secrets beside known text "
        "can be guessed: put padme between them"
        for first, second in pairwise(relevant)
        if (first[0], second[0]) == (Role.COMPRESS, Role.ENCRYPT)
    ]
