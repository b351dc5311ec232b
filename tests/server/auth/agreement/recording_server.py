"""A protected server that records what it executes, called finished ASGI without an HTTP library."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import mcp_types as types
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastmcp import FastMCP
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate
from mcp_types import Completion, PromptReference
from starlette.applications import Starlette

from gatehouse_server.adapters import internals
from gatehouse_server.app import protect
from gatehouse_server.auth.permission_table import PermissionTable
from gatehouse_server.auth.permissions import META_KEY, requires
from gatehouse_server.auth.provider.keys import SigningKeys
from tests.server.token_issuer import settings

Kind = Literal["MCPServer", "FastMCP", "low-level Server", "low-level Server with _meta", "ASGI app"]
BASE, A, B = "access:mcp", "p:a", "p:b"
TOOLS: dict[str, set[str]] = {
    "open": set(),
    "a": {A},
    "b": {B},
    "ab": {A, B},
    "A": {B},
    "a ": {B},
    "ツール": {A},
    "=?base64?YQ==?=": {B},
}
PROMPTS: dict[str, set[str]] = {"open": set(), "a": {A}, "b": {B}}
RESOURCES: dict[str, set[str]] = {"r://open": set(), "r://a": {A}, "r://A": {B}}
TEMPLATES: dict[str, set[str]] = {"r://items/{item}": {A}, "r://items/{item}/{part}": {B}, "r://free/{+rest}": set()}
NEEDED: dict[str, set[str]] = {**PROMPTS, **RESOURCES, **TEMPLATES}


@dataclass
class Request:
    """A raw HTTP request."""

    method: str
    headers: list[tuple[bytes, bytes]]
    chunks: list[bytes]


@dataclass
class Outcome:
    """The result of a request: status, body, audit lines, messages that reached the SDK, executed functions."""

    status: int = 0
    body: bytes = b""
    audit: list[dict[str, Any]] = field(default_factory=list)
    received: list[tuple[str, Any]] = field(default_factory=list)
    executed: list[frozenset[str]] = field(default_factory=list)


_outcome: ContextVar[Outcome] = ContextVar("outcome")


@contextmanager
def _audit_recorded() -> Iterator[None]:
    """Only during a request, because several servers can run at the same time."""
    handler = _AuditHandler()
    logger = logging.getLogger("gatehouse.audit")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


class RecordingServer:
    """The server.

    Args:
        kind: which kind of server is behind the gate.
    """

    def __init__(self, keys: SigningKeys, kind: Kind = "MCPServer") -> None:
        permissions = _table() if kind in ("low-level Server", "ASGI app") else None
        self.app: Starlette = protect(_BUILD[kind](), settings(), keys=keys, permissions=permissions)
        self._portal: BlockingPortal | None = None

    @contextmanager
    def running(self) -> Iterator[RecordingServer]:
        """Run the server in its own event loop."""
        with start_blocking_portal() as self._portal, self._portal.wrap_async_context_manager(self._lifespan()):
            yield self

    def ask(self, request: Request) -> Outcome:
        """Send the request; an exception in the app is raised here."""
        assert self._portal is not None
        with _audit_recorded():
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
            outcome.body += message.get("body", b"")
            if endless or not message.get("more_body", message["type"] == "http.response.start"):
                finished.set()

        async with asyncio.timeout(20):
            await self.app(_scope(request), receive, send)
        for _ in range(10):  # a notification is handled after its answer
            await asyncio.sleep(0)
        return outcome


def recording_mcpserver() -> MCPServer:
    """An `MCPServer` that records, not protected."""
    mcp = MCPServer("recorded", log_level="CRITICAL")
    _add_parts(mcp)
    mcp.completion()(_complete)
    # Before the second check, so that everything that the gate allows is recorded.
    mcp.middleware.append(_record)
    return mcp


def _fastmcp() -> FastMCP[Any]:
    mcp: FastMCP[Any] = FastMCP("recorded")
    _add_parts(mcp, "{rest*}")
    mcp.completion(_complete)
    internals.lowlevel_server(mcp).middleware.append(_record)
    return mcp


def _lowlevel() -> Server[Any]:
    """Handlers that execute what the functions of the other kinds are."""

    async def call(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        _executed(TOOLS.get(params.name))
        return types.CallToolResult(content=[])

    async def prompt(ctx: Any, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        _executed(PROMPTS.get(params.name))
        return types.GetPromptResult(messages=[])

    async def read(ctx: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        templates = [needed for text, needed in TEMPLATES.items() if UriTemplate.parse(text).match(uri) is not None]
        _executed(RESOURCES.get(uri, templates[0] if templates else None))
        return types.ReadResourceResult(contents=[])

    async def complete(ctx: Any, params: types.CompleteRequestParams) -> types.CompleteResult:
        return types.CompleteResult(completion=await _complete(params.ref, params.argument, None))

    async def list_nothing(ctx: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[])

    server: Server[Any] = Server(
        "recorded",
        on_list_tools=list_nothing,
        on_call_tool=call,
        on_get_prompt=prompt,
        on_read_resource=read,
        on_completion=complete,
    )
    server.middleware.append(_record)
    return server


def _lowlevel_with_meta() -> Server[Any]:
    """The same handlers, and lists that state the permissions in `_meta`."""

    def meta(needed: set[str]) -> dict[str, Any]:
        return {META_KEY: sorted(needed)}

    async def tools(ctx: Any, params: Any) -> types.ListToolsResult:
        listed = [types.Tool(name=name, input_schema={}, _meta=meta(needed)) for name, needed in TOOLS.items()]
        return types.ListToolsResult(tools=listed)

    async def prompts(ctx: Any, params: Any) -> types.ListPromptsResult:
        return types.ListPromptsResult(
            prompts=[types.Prompt(name=name, _meta=meta(needed)) for name, needed in PROMPTS.items()]
        )

    async def resources(ctx: Any, params: Any) -> types.ListResourcesResult:
        listed = [types.Resource(uri=uri, name=uri, _meta=meta(needed)) for uri, needed in RESOURCES.items()]
        return types.ListResourcesResult(resources=listed)

    async def templates(ctx: Any, params: Any) -> types.ListResourceTemplatesResult:
        listed = [
            types.ResourceTemplate(uri_template=uri, name=uri, _meta=meta(needed)) for uri, needed in TEMPLATES.items()
        ]
        return types.ListResourceTemplatesResult(resource_templates=listed)

    server = _lowlevel()
    server.add_request_handler("tools/list", types.PaginatedRequestParams, tools)
    server.add_request_handler("prompts/list", types.PaginatedRequestParams, prompts)
    server.add_request_handler("resources/list", types.PaginatedRequestParams, resources)
    server.add_request_handler("resources/templates/list", types.PaginatedRequestParams, templates)
    return server


def _asgi() -> Starlette:
    unguarded = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return _lowlevel().streamable_http_app(stateless_http=True, json_response=True, transport_security=unguarded)


_BUILD: dict[Kind, Callable[[], Any]] = {
    "MCPServer": recording_mcpserver,
    "FastMCP": _fastmcp,
    "low-level Server": _lowlevel,
    "low-level Server with _meta": _lowlevel_with_meta,
    "ASGI app": _asgi,
}


def _table() -> PermissionTable:
    return PermissionTable(tools=TOOLS, prompts=PROMPTS, resources={**RESOURCES, **TEMPLATES})


def _add_parts(mcp: Any, rest: str = "{+rest}") -> None:
    for name, needed in TOOLS.items():
        mcp.tool(name=name)(requires(*needed)(_body(needed)))
    for name, needed in PROMPTS.items():
        mcp.prompt(name=name)(requires(*needed)(_body(needed)))
    for uri, needed in RESOURCES.items():
        mcp.resource(uri)(requires(*needed)(_body(needed)))

    @mcp.resource("r://items/{item}")
    @requires(A)
    async def items(item: str) -> str:
        _executed({A})
        return item

    @mcp.resource("r://items/{item}/{part}")
    @requires(B)
    async def parts(item: str, part: str) -> str:
        _executed({B})
        return item + part

    @mcp.resource(f"r://free/{rest}")
    async def free(rest: str) -> str:
        _executed(set())
        return rest


def _body(needed: set[str]) -> Any:
    async def body() -> str:
        _executed(needed)
        return "done"

    return body


def _executed(needed: set[str] | None) -> None:
    if needed is None:
        raise MCPError(types.INVALID_PARAMS, "unknown")
    _outcome.get().executed.append(frozenset(needed))


async def _complete(ref: Any, argument: Any, context: Any) -> Completion:
    name = ref.name if isinstance(ref, PromptReference) else ref.uri
    _executed(NEEDED.get(name, set()))
    return Completion(values=[])


async def _record(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
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
