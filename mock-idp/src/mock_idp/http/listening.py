from __future__ import annotations

import errno
import socket

BACKLOG = 2048


class ListenError(Exception):
    """The address cannot be used; the message says why and what to do."""


def listen(host: str, port: int, *, setting: str) -> list[socket.socket]:
    """Listening sockets for every address of `host`, all on one port (0: any free one). ListenError otherwise.

    `setting` is the name of the variable that the port comes from, for the message.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ListenError(f"MOCK_IDP_HOST: {host!r} is no address of this machine: {error.strerror}") from error
    sockets: list[socket.socket] = []
    # IPv4 first: a free port is chosen for it, and IPv6 follows.
    for family, address in sorted({(entry[0], str(entry[4][0])) for entry in found}):
        chosen = sockets[0].getsockname()[1] if sockets else port
        bound = _bind(family, address, chosen, setting)
        if bound is not None:
            sockets.append(bound)
    if not sockets:
        raise ListenError(f"MOCK_IDP_HOST: nothing on this machine can listen on {host!r}")
    return sockets


def _bind(family: socket.AddressFamily, address: str, port: int, setting: str) -> socket.socket | None:
    """A listening socket; None where the machine lacks the address, as containers lack IPv6."""
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        # From here on connections wait for the server instead of being refused.
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        raise ListenError(_sentence(error, address, port, setting)) from error
    return bound


def _sentence(error: OSError, address: str, port: int, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {address} is taken. Stop the program that has it, or set {setting} to another port."
    return f"Cannot listen on {address} port {port}: {error.strerror}"
