"""Fuzz manifests: any text is refused by name or is the one spelling of its entries, and of the plan made of them."""

from __future__ import annotations

from harness import KEYRING, LIMITS, REFUSED, refused, same, start

from lamella.flow.plan import plan_manifest
from lamella.registry import installed_registry
from lamella.wire.manifest import format_manifest, parse_manifest

__all__ = ["one_input"]


def one_input(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    manifest = refused(parse_manifest, text)
    plan = refused(plan_manifest, text, installed_registry(), KEYRING, LIMITS)
    if manifest is not REFUSED:
        same(format_manifest(manifest), text, "a manifest has two spellings")
    if plan is not REFUSED:
        same(plan.manifest, text, "a manifest and its plan differ")


if __name__ == "__main__":
    import atheris

    start(atheris, one_input)
