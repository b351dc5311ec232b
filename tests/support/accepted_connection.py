"""The options of a connection that asyncio accepts from a listening socket."""

from __future__ import annotations

import asyncio
import socket


async def has_no_delay(listener: socket.socket) -> bool:
    """Whether TCP_NODELAY is set on a connection that asyncio accepts from the listener."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[socket.socket] = loop.create_future()

    class Accepting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(transport.get_extra_info("socket"))

    async with await loop.create_server(Accepting, sock=listener):
        _, caller = await asyncio.open_connection(*listener.getsockname()[:2])
        option: int = (await accepted).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        caller.close()
        await caller.wait_closed()
    return option != 0
