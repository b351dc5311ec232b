from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

GRACE_SECONDS = 1


@dataclass(frozen=True)
class Listener:
    """An application on listening sockets, behind TLS or not."""

    app: ASGIApp
    sockets: Sequence[socket.socket]
    tls: ssl.SSLContext | None = None


class Servers:
    """Servers for several listeners in one event loop, which start and stop together."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners
        self._servers = [_Server(_config(listener)) for listener in listeners]

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM; a second signal does not wait for open connections."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: self.stop())
        self.run_in_thread()

    def run_in_thread(self) -> None:
        """Serve until `stop` is called from anywhere."""
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
            server.cut_connections()
        # Lets the event loop take note of the cut before it is closed.
        await asyncio.sleep(0)


class _Server(uvicorn.Server):
    """Leaves the signals to whoever runs several of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def cut_connections(self) -> None:
        """End what the grace period left: a TLS connection waits for a goodbye that an idle client does not say."""
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
        # Who may use the control API is decided by the real peer, not by what a header says.
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=65,  # longer than a proxy in front keeps its connections
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
