"""Load on one server: each connection sends its next request when the last answer is complete.

Raw asyncio sockets: the sender must cost less than what it measures. What is measured is the server's CPU time, so
neither the sender's own time nor that of other programs on the machine is part of a figure.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator

CONNECTIONS = 16
SECONDS = 60

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class UnexpectedAnswer(Exception):
    """The server sent another answer than the expected one."""


def cpu_seconds(pid: int) -> float:
    """CPU time of that process so far, for all threads, user and system (Linux: the CPU clock of the process)."""
    return time.clock_gettime((~pid << 3) | 2)


class Connections:
    """Open connections to one server, kept for all rounds, so that their setup is not measured.

    Use `Connections.to`.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._connections: list[_Connection] = []

    @classmethod
    async def to(cls, port: int) -> Connections:
        """Open `CONNECTIONS` connections to that port of this machine."""
        made = cls(port)
        await made.open()
        return made

    async def open(self) -> None:
        """Open those that are not open: a server closes a connection that has been idle for long."""
        loop = asyncio.get_running_loop()
        kept = [connection for connection in self._connections if connection.is_open]
        opening = [loop.create_connection(_Connection, "127.0.0.1", self._port) for _ in range(CONNECTIONS - len(kept))]
        self._connections = kept + [connection for _, connection in await asyncio.gather(*opening)]

    async def send(self, requests: Iterator[bytes], count: int, status: int) -> None:
        """Send `count` requests; every answer must have the status.

        Raises:
            UnexpectedAnswer: an answer had another status, or a connection ended.
        """
        work = _Work(requests, count, status, asyncio.get_running_loop().create_future())
        for connection in self._connections:
            connection.work_on(work)
        async with asyncio.timeout(SECONDS):
            await work.done

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()


class _Work:
    """The remaining requests of one round, and a future for its end."""

    def __init__(self, requests: Iterator[bytes], count: int, status: int, done: asyncio.Future[None]) -> None:
        self.requests = requests
        self.unsent = count
        self.unanswered = count
        self.expected = f"HTTP/1.1 {status} ".encode()
        self.done = done

    def take(self) -> bytes | None:
        if self.unsent == 0:
            return None
        self.unsent -= 1
        return next(self.requests)

    def answered(self) -> None:
        self.unanswered -= 1
        if self.unanswered == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, problem: str) -> None:
        if not self.done.done():
            self.done.set_exception(UnexpectedAnswer(problem))


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._work: _Work | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._work is not None:
            self._work.fail(f"the connection ended: {error}")

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def work_on(self, work: _Work) -> None:
        self._work = work
        self._next(work)

    def close(self) -> None:
        self._work = None
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        work = self._work
        if work is None or not found:
            return
        if not head.startswith(work.expected):
            work.fail(self._received.decode(errors="replace"))
            return
        length = _LENGTH.search(head)
        if length is None:
            work.fail(f"no length in {head!r}")
        elif len(body) == int(length[1]):
            self._received = b""
            work.answered()
            self._next(work)

    def _next(self, work: _Work) -> None:
        request = work.take()
        if request is not None:
            self._transport.write(request)
