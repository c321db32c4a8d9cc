"""Ports on the loopback address."""

from __future__ import annotations

import socket

from slipstream.errors import SettingsError

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(wanted: int | None, *, default: int, setting: str, taken: frozenset[int] = frozenset()) -> int:
    """Return the port that was asked for, or the default, or any free one where the default is in use.

    Raises:
        SettingsError: a port was asked for by ``setting`` and it is in use.
    """
    if wanted is not None:
        if wanted in taken or not is_free(wanted):
            message = (
                f"Port {wanted} ({setting}) is in use on {HOST}. "
                f"Stop what listens there, set {setting} to another port, or unset it to have a free one chosen."
            )
            raise SettingsError(message)
        return wanted
    if default not in taken and is_free(default):
        return default
    return free_port(taken=taken)


def free_port(*, taken: frozenset[int] = frozenset()) -> int:
    """Return a port of the loopback address that nobody listens on and that is not in ``taken``."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
