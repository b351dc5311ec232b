"""Listening sockets, with an error message that says what to do."""

from __future__ import annotations

import errno
import socket


class CannotListen(OSError):
    """No socket could be bound. The message says why and what to do."""


def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Sockets for every address of `host` (localhost has two, and browsers may try either).

    Raises:
        CannotListen: the port is in use, or the host is not an address of this machine.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: it is no name in IDNA, such as a..b
        why = error.strerror if isinstance(error, OSError) else "it is no domain name"
        raise CannotListen(f"MCP_HOST is {host!r}: it is not a host name or address ({why}).") from error
    sockets: list[socket.socket] = []
    problem: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(addresses):
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind(address)
        except OSError as error:
            listener.close()
            # A machine without IPv6 still resolves localhost to ::1.
            problem = problem if error.errno == errno.EADDRNOTAVAIL and sockets else error
            continue
        sockets.append(listener)
    if not sockets or (problem is not None and problem.errno == errno.EADDRINUSE):
        for listener in sockets:
            listener.close()
        raise CannotListen(_explain(host, port, problem))
    return sockets


def _explain(host: str, port: int, problem: OSError | None) -> str:
    if problem is not None and problem.errno == errno.EADDRINUSE:
        return f"Port {port} is in use: stop the other program, or set MCP_PORT (and MCP_PUBLIC_URL) to a free port."
    return f"Cannot listen on {host}:{port}: {problem}. Set MCP_HOST and MCP_PORT to an address of this machine."
