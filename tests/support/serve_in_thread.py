"""Serves an ASGI app over HTTP from a thread of the test process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp


def listening_socket() -> socket.socket:
    """A socket that listens on a free port of 127.0.0.1. Early requests wait for the server.

    It names its protocol, which `socket.create_server` does not: only then does asyncio set TCP_NODELAY.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


class _Server(uvicorn.Server):
    """Stops at once. uvicorn's own server looks only ten times in a second whether it should, and then waits."""

    _loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Let it end. This is called in another thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._stopped.set)

    async def main_loop(self) -> None:
        self._stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:
            await self.lifespan.shutdown()


@contextmanager
def serve_in_thread(
    app: ASGIApp,
    listener: socket.socket | None = None,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    http: type[asyncio.Protocol] | None = None,
) -> Generator[str]:
    """Serve `app` until the end of the context.

    Args:
        listener: a listening socket; without it, a free port of 127.0.0.1.
        certificate: serve over TLS with this certificate and `key`.
        http: uvicorn's HTTP protocol; by default its own choice.

    Yields:
        The origin with the host name localhost. Its scheme is http, also over TLS.
    """
    config = uvicorn.Config(
        app,
        http=http or "auto",
        log_config=None,
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    server = _Server(config)
    with listener or listening_socket() as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://localhost:{listening.getsockname()[1]}"
        finally:
            server.stop()
            thread.join(10)
