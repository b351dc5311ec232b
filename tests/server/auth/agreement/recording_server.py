"""A protected server that records what it executes, called finished ASGI without an HTTP library."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp_types import Completion, CompletionArgument, PromptReference, ResourceTemplateReference
from starlette.applications import Starlette

from gatehouse_server.app import protect
from gatehouse_server.auth.keys import SigningKeys
from gatehouse_server.auth.permissions import requires
from tests.server.token_issuer import settings

BASE, A, B = "access:mcp", "p:a", "p:b"
TOOLS = {"open": set(), "a": {A}, "b": {B}, "ab": {A, B}, "A": {B}, "a ": {B}, "ツール": {A}, "=?base64?YQ==?=": {B}}
PROMPTS = {"open": set(), "a": {A}, "b": {B}}
RESOURCES = {"r://open": set(), "r://a": {A}, "r://A": {B}}
TEMPLATES = {"r://items/{item}": {A}, "r://items/{item}/{part}": {B}, "r://free/{+rest}": set()}
NEEDED: dict[str, set[str]] = {**PROMPTS, **RESOURCES, **TEMPLATES}


@dataclass
class Request:
    """A raw HTTP request."""

    method: str
    headers: list[tuple[bytes, bytes]]
    chunks: list[bytes]


@dataclass
class Outcome:
    """The result of a request: status, audit lines, messages that reached the SDK, executed functions."""

    status: int = 0
    audit: list[dict[str, Any]] = field(default_factory=list)
    received: list[tuple[str, Any]] = field(default_factory=list)
    executed: list[frozenset[str]] = field(default_factory=list)


_outcome: ContextVar[Outcome] = ContextVar("outcome")


class RecordingServer:
    """The server."""

    def __init__(self, keys: SigningKeys) -> None:
        self.app: Starlette = protect(self._server(), settings(), keys=keys)
        self._portal: BlockingPortal | None = None

    @contextmanager
    def running(self) -> Iterator[RecordingServer]:
        """Run the server in its own event loop."""
        handler = _AuditHandler()
        logger = logging.getLogger("gatehouse.audit")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        try:
            with start_blocking_portal() as self._portal, self._portal.wrap_async_context_manager(self._lifespan()):
                yield self
        finally:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
            logger.propagate = True

    def ask(self, request: Request) -> Outcome:
        """Send the request; an exception in the app is raised here."""
        assert self._portal is not None
        return self._portal.call(self._exchange, request)

    def _lifespan(self) -> Any:
        return self.app.router.lifespan_context(self.app)

    async def _exchange(self, request: Request) -> Outcome:
        outcome = Outcome()
        _outcome.set(outcome)
        chunks, finished = list(request.chunks), asyncio.Event()
        endless = request.method == "GET" or b"subscriptions" in b"".join(chunks)

        async def receive() -> dict[str, Any]:
            if chunks:
                return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}
            await finished.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                outcome.status = message["status"]
            if endless or not message.get("more_body", message["type"] == "http.response.start"):
                finished.set()

        async with asyncio.timeout(20):
            await self.app(_scope(request), receive, send)
        for _ in range(10):  # a notification is handled after its answer
            await asyncio.sleep(0)
        return outcome

    def _server(self) -> MCPServer:
        mcp = MCPServer("recorded", log_level="CRITICAL")
        for name, needed in TOOLS.items():
            mcp.tool(name=name)(requires(*needed)(self._body(needed)))
        for name, needed in PROMPTS.items():
            mcp.prompt(name=name)(requires(*needed)(self._body(needed)))
        for uri, needed in RESOURCES.items():
            mcp.resource(uri)(requires(*needed)(self._body(needed)))
        self._templates(mcp)
        mcp.completion()(self._complete)
        # Before the second check, so that everything that the gate allows is recorded.
        mcp.middleware.append(self._record)
        return mcp

    def _body(self, needed: set[str]) -> Any:
        async def body() -> str:
            _outcome.get().executed.append(frozenset(needed))
            return "done"

        return body

    def _templates(self, mcp: MCPServer) -> None:
        @mcp.resource("r://items/{item}")
        @requires(A)
        async def items(item: str) -> str:
            _outcome.get().executed.append(frozenset({A}))
            return item

        @mcp.resource("r://items/{item}/{part}")
        @requires(B)
        async def parts(item: str, part: str) -> str:
            _outcome.get().executed.append(frozenset({B}))
            return item + part

        @mcp.resource("r://free/{+rest}")
        async def free(rest: str) -> str:
            _outcome.get().executed.append(frozenset())
            return rest

    async def _complete(
        self, ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, context: object
    ) -> Completion:
        name = ref.name if isinstance(ref, PromptReference) else ref.uri
        _outcome.get().executed.append(frozenset(NEEDED.get(name, set())))
        return Completion(values=[])

    async def _record(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        _outcome.get().received.append((ctx.method, ctx.params))
        return await call_next(ctx)


class _AuditHandler(logging.Handler):
    """Collects the audit lines."""

    def emit(self, record: logging.LogRecord) -> None:
        _outcome.get().audit.append(json.loads(record.getMessage()))


def _scope(request: Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost:5555"), *request.headers],
        "client": ("127.0.0.1", 4711),
        "server": ("127.0.0.1", 5555),
    }
