"""The stop of a server: what clients have sent or connected by then is answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from gatehouse_server.serving.connections import BoundedHeaders
from gatehouse_server.serving.stopping import StoppingServer
from tests.support.serve_in_thread import listening_socket

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
STREAM = b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n"


class Brief(BoundedHeaders):
    drain_seconds = 1.0


class Running:
    """A server in this event loop, and its clients."""

    def __init__(self, http: type[BoundedHeaders]) -> None:
        self.more = asyncio.Event()
        routes = [Route("/", self._hello), Route("/stream", self._stream)]
        app = Starlette(routes=routes)
        self._config = uvicorn.Config(app, http=http, log_config=None, access_log=False, ws="none", lifespan="off")
        self._server = StoppingServer(self._config)
        self._stopping: asyncio.Task[None] | None = None
        self.listener = listening_socket()
        self.listener_address = self.listener.getsockname()

    async def start(self) -> None:
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup([self.listener])

    def begin_to_stop(self) -> None:
        """As at a signal."""
        self._stopping = asyncio.create_task(self._server.shutdown([self.listener]))

    async def stopped(self) -> None:
        """Return when the server has stopped."""
        assert self._stopping is not None
        async with asyncio.timeout(20):
            await self._stopping

    async def _hello(self, _: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    async def _stream(self, _: Request) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            await self.more.wait()
            yield b"last"

        return StreamingResponse(parts())

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """An open connection that the server knows, with one answered request."""
        reader, writer = await asyncio.open_connection(*self.listener.getsockname())
        writer.write(REQUEST)
        assert b"connection" not in await answer(reader)
        return reader, writer


@asynccontextmanager
async def running(http: type[BoundedHeaders] = BoundedHeaders) -> AsyncIterator[Running]:
    server = Running(http)
    await server.start()
    yield server
    await server.stopped()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The head of an answer with the body `hello`, in lower case."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 200 ")
    assert await reader.readexactly(5) == b"hello"
    return head


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_request_on_an_open_connection_is_answered_and_told_that_it_is_the_last() -> None:
    async with running() as server:
        reader, writer = await server.connect()
        server.begin_to_stop()
        await asyncio.sleep(0)
        writer.write(REQUEST)
        assert b"\r\nconnection: close\r\n" in await answer(reader)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.anyio
async def test_an_answer_that_began_before_the_stop_does_not_close_the_connection() -> None:
    """Its head has promised the next request an answer."""
    async with running() as server:
        reader, writer = await server.connect()
        writer.write(STREAM)
        await reader.readuntil(b"first\r\n")
        server.begin_to_stop()
        await asyncio.sleep(0)
        server.more.set()
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(REQUEST)
        assert b"\r\nconnection: close\r\n" in await answer(reader)
        writer.close()
        await writer.wait_closed()


@pytest.mark.anyio
async def test_neither_does_one_that_ends_after_the_idle_connections() -> None:
    async with running(Brief) as server:
        reader, writer = await server.connect()
        idle_reader, idle_writer = await server.connect()
        writer.write(STREAM)
        await reader.readuntil(b"first\r\n")
        server.begin_to_stop()
        assert await idle_reader.read() == b""
        server.more.set()
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(REQUEST)
        assert b"\r\nconnection: close\r\n" in await answer(reader)
        for each in (writer, idle_writer):
            each.close()
            await each.wait_closed()


@pytest.mark.anyio
async def test_an_idle_connection_does_not_hold_up_the_stop() -> None:
    async with running(Brief) as server:
        reader, writer = await server.connect()
        server.begin_to_stop()
        await asyncio.sleep(0)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.anyio
async def test_connections_that_the_kernel_has_completed_are_answered() -> None:
    async with running() as server:
        # The event loop does not run meanwhile, so the server accepts none of them before it stops.
        waiting = [socket.create_connection(server.listener.getsockname()) for _ in range(20)]
        for connection in waiting:
            connection.sendall(REQUEST)
            connection.setblocking(False)
        server.begin_to_stop()
        for connection in waiting:
            reader, writer = await asyncio.open_connection(sock=connection)
            assert b"\r\nconnection: close\r\n" in await answer(reader)
            writer.close()
            await writer.wait_closed()


@pytest.mark.anyio
async def test_a_new_connection_is_refused_at_once() -> None:
    async with running() as server:
        _, writer = await server.connect()
        server.begin_to_stop()
        await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(*server.listener_address)
        writer.close()
        await writer.wait_closed()
