"""Listening sockets, and servers on them that start and stop together."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 2048
GRACE_SECONDS = 1


class ListenError(Exception):
    """The address cannot be used. The message says why and what to do."""


def listen(host: str, port: int, *, setting: str) -> list[socket.socket]:
    """Listening sockets for every address of `host`, all on one port (0: any free port). ListenError otherwise.

    `setting` is the name of the port's environment variable, for the message.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: it is no name in IDNA, such as a..b
        why = error.strerror if isinstance(error, OSError) else "it is no domain name"
        raise ListenError(f"MOCK_IDP_HOST: {host!r} cannot be resolved: {why}; set it to localhost") from error
    sockets: list[socket.socket] = []
    # IPv4 first: IPv6 then takes the same free port.
    for family, address in sorted({(entry[0], str(entry[4][0])) for entry in found}):
        chosen = sockets[0].getsockname()[1] if sockets else port
        bound = _bind(family, address, chosen, setting)
        if bound is not None:
            sockets.append(bound)
    if not sockets:
        raise ListenError(f"MOCK_IDP_HOST: no address of {host!r} belongs to this machine; set it to localhost")
    return sockets


def _bind(family: socket.AddressFamily, address: str, port: int, setting: str) -> socket.socket | None:
    """A listening socket; None if the machine has no such address (containers often have no IPv6)."""
    try:
        return _listening_socket(family, address, port)
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        if error.errno == errno.EADDRINUSE:
            message = (
                f"Port {port} on {address} is taken. Stop the program that has it, or set {setting} to another port."
            )
        else:
            message = f"Cannot listen on {address} port {port}: {os.strerror(error.errno or 0)}"
        raise ListenError(message) from error


def _listening_socket(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only on connections of a socket that names its protocol. `socket.create_server` does not
    # name it. Without TCP_NODELAY each answer on a connection that is kept open takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        # From here on connections wait for the server and are not refused.
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


@dataclass(frozen=True)
class Listener:
    """An application on listening sockets, with or without TLS."""

    app: ASGIApp
    sockets: Sequence[socket.socket]
    tls: ssl.SSLContext | None = None


class Servers:
    """Servers for several listeners in one event loop. They start and stop together."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners
        self._servers = [_Server(_config(listener)) for listener in listeners]

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM. A second signal ends open connections at once."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: self.stop())
        self.run_in_thread()

    def run_in_thread(self) -> None:
        """Serve until `stop` is called."""
        with asyncio.Runner(loop_factory=self._servers[0].config.get_loop_factory()) as runner:
            runner.run(self._serve())

    def stop(self) -> None:
        for server in self._servers:
            server.force_exit = server.should_exit
            server.should_exit = True

    @property
    def started(self) -> bool:
        return all(server.started for server in self._servers)

    async def _serve(self) -> None:
        pairs = zip(self._servers, self._listeners, strict=True)
        async with asyncio.TaskGroup() as tasks:
            for server, listener in pairs:
                tasks.create_task(server.serve(sockets=list(listener.sockets)))
        for server in self._servers:
            server.abort_connections()
        # The event loop handles the closed connections before it ends.
        await asyncio.sleep(0)


class _Server(uvicorn.Server):
    """A server that leaves the signals to `Servers`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def abort_connections(self) -> None:
        """End the open connections. With TLS they would wait for a close message, which an idle client never sends."""
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


def _config(listener: Listener) -> uvicorn.Config:
    tls = listener.tls
    return uvicorn.Config(
        listener.app,
        log_config=None,
        access_log=False,
        server_header=False,
        # The real peer address decides who may use the control API, not a header.
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=65,  # longer than a proxy keeps its connections
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
