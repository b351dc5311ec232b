"""An HTTP transport that calls an ASGI app in this process, and passes its answer on as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from starlette.types import ASGIApp, Message


class InProcess(httpx2.AsyncBaseTransport):
    """Sends requests to `app`. When the answer is closed, the app sees a disconnect, as with a real connection.

    Attributes:
        requests: all requests, in order.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.requests: list[httpx2.Request] = []
        self._tasks: set[asyncio.Future[None]] = set()

    async def aclose(self) -> None:
        """Cancel the app where it still runs."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        exchange = _Exchange(await request.aread())
        exchange.task = asyncio.ensure_future(self._app(_scope(request), exchange.receive, exchange.send))
        self._tasks.add(exchange.task)
        exchange.task.add_done_callback(self._tasks.discard)
        exchange.task.add_done_callback(lambda _: exchange.cut())
        started = asyncio.ensure_future(exchange.started.wait())
        try:
            await asyncio.wait((started, exchange.task), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await exchange.aclose()
            raise
        finally:
            started.cancel()
        if not exchange.started.is_set():
            await exchange.task
            raise httpx2.RemoteProtocolError("the app did not answer")
        return httpx2.Response(exchange.status, headers=exchange.headers, stream=exchange)


class _Exchange(httpx2.AsyncByteStream):
    task: asyncio.Future[None]

    def __init__(self, body: bytes) -> None:
        self._incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._closed = asyncio.Event()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._is_complete = False
        self.started = asyncio.Event()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []

    async def receive(self) -> Message:
        if self._incoming:
            return self._incoming.pop()
        await self._closed.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
            self.started.set()
            return
        if message.get("body"):
            self._chunks.put_nowait(message["body"])
        if not message.get("more_body"):
            self._is_complete = True
            self._chunks.put_nowait(None)
            self._closed.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk
        if not self._is_complete:
            raise httpx2.RemoteProtocolError("the app ended within its answer")

    def cut(self) -> None:
        """The app has ended."""
        if not self._is_complete:
            self._chunks.put_nowait(None)

    async def aclose(self) -> None:
        self._closed.set()


def _scope(request: httpx2.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "root_path": "",
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 4711),
        "server": (request.url.host, request.url.port),
    }
