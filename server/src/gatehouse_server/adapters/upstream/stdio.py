"""A server that speaks MCP over stdio, as an upstream over streamable HTTP.

The gate speaks both eras of the protocol with its clients and the one that the process speaks with the process. It
keeps no sessions, and the process cannot ask the client anything (sampling, elicitation, roots).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import mcp_types as types
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, RequestParams
from pydantic import BaseModel
from starlette.types import Message, Receive, Scope, Send

from ..sdk import OnDemandStreams
from .answers import error_answer
from .processes import NoProcess, Processes

logger = logging.getLogger(__name__)

URL = "http://stdio.invalid/mcp"
"""Stands for the process where a URL is needed."""

_RESERVED_META = "io.modelcontextprotocol/"

# Method: the capability that it belongs to, and its result.
_METHODS: dict[str, tuple[str, type[BaseModel]]] = {
    "tools/list": ("tools", types.ListToolsResult),
    "tools/call": ("tools", types.CallToolResult),
    "prompts/list": ("prompts", types.ListPromptsResult),
    "prompts/get": ("prompts", types.GetPromptResult),
    "resources/list": ("resources", types.ListResourcesResult),
    "resources/templates/list": ("resources", types.ListResourceTemplatesResult),
    "resources/read": ("resources", types.ReadResourceResult),
    "completion/complete": ("completions", types.CompleteResult),
}


class _Request(types.Request[dict[str, Any], str]):
    """A request with the parameters as the client sent them."""


class StdioApp:
    """The ASGI app for a command. Each subject has a process of its own.

    Args:
        answer_seconds: how long a process may take for an answer.
    """

    def __init__(self, processes: Processes, *, answer_seconds: float) -> None:
        self._processes = processes
        self._seconds = answer_seconds
        self._server: Server[Any] = Server("stdio")
        self._manager = OnDemandStreams(self._server, TransportSecuritySettings(enable_dns_rebinding_protection=False))
        self._describing = asyncio.Lock()
        self._is_described = False

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve; at the end all processes end."""
        try:
            async with self._manager.run():
                yield
        finally:
            await self._processes.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._describe()
        except NoProcess as error:
            await error_answer(503, INTERNAL_ERROR, str(error), headers={"Retry-After": "2"})(scope, receive, send)
            return
        await self._manager.handle_request(scope, receive, send)

    async def _describe(self) -> None:
        """Learn from a first process what the server is and which methods it has."""
        async with self._describing:
            if self._is_described:
                return
            async with self._processes.client(None) as client:
                info, capabilities = client.server_info, client.server_capabilities
                if info is not None:
                    self._server.name, self._server.version, self._server.title = info.name, info.version, info.title
                self._server.instructions = client.instructions
                for method, (capability, kind) in _METHODS.items():
                    if getattr(capabilities, capability) is not None:
                        self._server.add_request_handler(method, RequestParams, self._handler(method, kind))
            self._is_described = True

    def _handler(
        self, method: str, kind: type[BaseModel]
    ) -> Callable[[ServerRequestContext[Any], RequestParams], Coroutine[Any, Any, BaseModel]]:
        async def handle(ctx: ServerRequestContext[Any], _: RequestParams) -> BaseModel:
            token, progress = get_access_token(), _Progress(ctx.session.report_progress)
            try:
                async with self._processes.client(token.subject if token is not None else None) as client:
                    result = await client.session.send_request(
                        _Request(method=method, params=_without_envelope(ctx.params)),
                        kind,
                        request_read_timeout_seconds=self._seconds,
                        progress_callback=progress,
                    )
                await progress.passed_on()
                return result
            except NoProcess as error:
                raise MCPError(INTERNAL_ERROR, str(error)) from error
            except MCPError as error:
                if error.code == CONNECTION_CLOSED:
                    raise MCPError(INTERNAL_ERROR, "The server behind the gate has ended.") from error
                raise

        return handle


class _Progress:
    """Passes progress on in order, all of it before the result: the SDK handles each notification in a task."""

    def __init__(self, report: ProgressFnT) -> None:
        self._report = report
        self._lock = asyncio.Lock()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        async with self._lock:
            await self._report(progress, total, message)

    async def passed_on(self) -> None:
        """Return when all progress that has arrived is passed on."""
        await asyncio.sleep(0)  # the tasks of the last notifications begin
        async with self._lock:
            pass


class InProcess(httpx2.AsyncBaseTransport):
    """Sends requests to an ASGI app of this process. When the answer is closed, the app sees a disconnect."""

    def __init__(self, app: StdioApp) -> None:
        self._app = app
        self._running = AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> InProcess:
        await self._running.enter_async_context(self._app.run())
        return self

    async def __aexit__(self, *reason: object) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._running.aclose()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = _Exchange(await request.aread())
        task = asyncio.create_task(self._app(_scope(request), exchange.receive, exchange.send))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(exchange.end)
        try:
            status, headers = await exchange.head
        except asyncio.CancelledError:
            await exchange.aclose()
            raise
        return httpx2.Response(status, headers=headers, stream=exchange)


class _Exchange(httpx2.AsyncByteStream):
    """One request to the app, and its answer as a stream."""

    def __init__(self, body: bytes) -> None:
        self._incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._closed = asyncio.Event()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(16)
        self.head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = asyncio.get_running_loop().create_future()

    async def receive(self) -> Message:
        """The next message for the app."""
        if self._incoming:
            return self._incoming.pop()
        await self._closed.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message of the app. It waits if the reader is slow."""
        if message["type"] == "http.response.start":
            if not self.head.done():
                self.head.set_result((message["status"], list(message.get("headers", ()))))
        elif not self._closed.is_set():
            if message.get("body"):
                await self._put(message["body"])
            if not message.get("more_body"):
                await self._put(None)

    def end(self, task: asyncio.Task[None]) -> None:
        """The app has returned."""
        if not self.head.done():
            self.head.set_exception(httpx2.RemoteProtocolError("the app did not answer"))
        if not task.cancelled() and task.exception() is not None:
            logger.error("the server behind the gate failed", exc_info=task.exception())
        self._closed.set()

    async def aclose(self) -> None:
        self._closed.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            chunk = await self._get()
            if chunk is None:
                return
            yield chunk

    async def _put(self, chunk: bytes | None) -> None:
        putting, closed = asyncio.ensure_future(self._chunks.put(chunk)), asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((putting, closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()
            closed.cancel()

    async def _get(self) -> bytes | None:
        if not self._chunks.empty():
            return self._chunks.get_nowait()
        getting, closed = asyncio.ensure_future(self._chunks.get()), asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((getting, closed), return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
            raise httpx2.ReadError("the app ended within its answer")
        finally:
            getting.cancel()
            closed.cancel()


def _without_envelope(params: object) -> dict[str, Any]:
    """The parameters without what belongs to the connection with the client, which the process has its own of."""
    given = dict(params) if isinstance(params, dict) else {}
    meta = given.pop("_meta", None)
    if isinstance(meta, dict):
        kept = {
            name: value
            for name, value in meta.items()
            if name != "progressToken" and not name.startswith(_RESERVED_META)
        }
        if kept:
            given["_meta"] = kept
    return given


def _scope(request: httpx2.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": None,
        "server": (request.url.host, None),
    }
