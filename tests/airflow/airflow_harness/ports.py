"""Ports that no other installation of these tests takes, and that no system gives out by itself."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["reserved_ports"]

_PORTS = range(20_000, 30_000)
_HOST = "127.0.0.1"


@contextmanager
def reserved_ports(count: int) -> Iterator[list[int]]:
    """Give free ports; the one before them stays open until the end, which is what reserves them.

    The ports themselves have to be closed before a component can open them. They lie below the range from which
    systems choose a port where none is named.

    Raises:
        RuntimeError: No such ports are free.
    """
    with ExitStack() as held:
        for guard in _PORTS[:: count + 1]:
            ports = list(range(guard + 1, guard + 1 + count))
            with ExitStack() as tried:
                try:
                    tried.enter_context(socket.create_server((_HOST, guard)))
                    for port in ports:
                        socket.create_server(("", port)).close()
                except OSError:
                    continue
                held.enter_context(tried.pop_all())
            break
        else:
            raise RuntimeError(f"no {count + 1} ports in a row are free in {_PORTS}")
        yield ports
