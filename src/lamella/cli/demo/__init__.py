"""`lamella demo`: what the layers do and refuse, shown and checked on real data."""

from __future__ import annotations

from lamella.cli.demo.command import demo

__all__ = ["demo"]
