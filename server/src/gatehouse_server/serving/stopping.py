"""A server whose stop loses no call: what a client has connected or sent by then is answered.

The kernel completes connections before the process accepts them. Closing the listening socket resets those, and a proxy
must not repeat a request that it has sent on one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

import uvicorn

from .connections import BoundedHeaders


class StoppingServer(uvicorn.Server):
    """uvicorn's server with `BoundedHeaders` as its HTTP protocol."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer what has arrived, and end the connections (`BoundedHeaders.shutdown`)."""
        arrived = [connection for listener in sockets or [] for connection in _last_connections(listener)]
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for connection in arrived:
            with contextlib.suppress(OSError):  # the client has closed it again
                await loop.connect_accepted_socket(self._protocol, connection, ssl=self.config.ssl)
        await super().shutdown(sockets)

    def _protocol(self) -> BoundedHeaders:
        made = BoundedHeaders(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        made.draining = True
        return made


def _last_connections(listener: socket.socket) -> list[socket.socket]:
    """The connections that wait to be accepted. From then on the socket does not listen."""
    connections = []
    with contextlib.suppress(OSError):  # BlockingIOError: there are no more
        while True:
            connections.append(listener.accept()[0])
    with contextlib.suppress(OSError):  # only Linux can do that; elsewhere closing the socket has the same effect
        listener.shutdown(socket.SHUT_RD)
    return connections
