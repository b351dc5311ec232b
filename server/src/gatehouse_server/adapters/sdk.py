"""A low-level server of the MCP SDK over streamable HTTP: a second check of each operation, and the transport.

`MCPServer` and FastMCP have such a server inside.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider
from pydantic import BaseModel
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from ..auth.gate import NotOffered
from ..auth.request import current_operation, operation_of
from . import internals
from .catalogue import Catalogue
from .direct import DirectEntry
from .host import Guard, Served
from .lists import LISTS, ListFilter

logger = logging.getLogger(__name__)


class PermissionMiddleware:
    """MCP server middleware: filters the lists for the caller, and checks each operation a second time.

    The gate has checked the request before. This check uses the operation as the SDK is about to execute it: if gate
    and SDK ever read a request differently, the call ends here.
    """

    def __init__(self, catalogue: Catalogue, lists: ListFilter) -> None:
        self._catalogue = catalogue
        self._lists = lists

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        token = get_access_token()
        if token is None:
            raise MCPError(INVALID_REQUEST, "Nobody is signed in.")
        operation = operation_of(ctx.method, ctx.params)
        if operation != current_operation.get():
            try:
                missing = (await self._catalogue.needed(operation)).permissions.difference(token.scopes)
            except NotOffered as error:
                raise MCPError(INVALID_REQUEST, str(error)) from error
            if missing:
                logger.error("the gate let %s %r pass without its permission", operation.method, operation.name)
                raise MCPError(INVALID_REQUEST, "The token lacks a permission for this.")
        result = await call_next(ctx)
        if ctx.method not in LISTS or result is None:  # a notification of that name has no result
            return result
        return await self._lists.filtered(ctx.method, _as_json(result), token)


class OnDemandStreams(StreamableHTTPSessionManager):
    """The SDK's session manager. It answers with plain JSON unless the client asked for notifications.

    MCP streamable HTTP lets the server choose for each request (all revisions). Every HTTP client can read plain JSON.
    Notifications (progress, log messages) need an event stream.

    Args:
        sessions: keep sessions for clients of the handshake revisions, and answer each of them with an event stream.
            Without that a tool cannot ask such a client anything (sampling, elicitation, roots).

    Attributes:
        direct: answers most requests without sessions, while the server runs.
    """

    def __init__(self, server: Server[Any], security: TransportSecuritySettings, *, sessions: bool = False) -> None:
        super().__init__(server, stateless=not sessions, security_settings=security)
        self._handle = internals.unlimited_handler(self)
        self.direct: DirectEntry | None = None

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request without the SDK's own size limit: the gate has read and measured the body."""
        if self.stateless and scope["method"] != "POST":
            # Without sessions nothing can ever come on a GET stream, and there is nothing to delete.
            await PlainTextResponse("", 405, headers={"Allow": "POST"})(scope, receive, send)
            return
        if self.direct is not None and self.json_response and await self.direct.answer(scope, receive, send):
            return
        internals.calls_finish.set(True)
        await self._handle(scope, receive, send)

    @property
    def json_response(self) -> bool:
        """False while a request is handled that gets an event stream."""
        return self.stateless and not current_operation.get().wants_stream

    @json_response.setter
    def json_response(self, value: bool) -> None:
        """Ignore the value that the SDK's constructor sets."""


def serve_lowlevel(server: Server[Any], guard: Guard) -> Served:
    """Serve a copy of the server with the second check. Handlers that are added to the server later also count."""
    protected = copy.copy(server)
    manager = OnDemandStreams(protected, guard.security, sessions=guard.sessions)
    internals.let_calls_finish()

    @asynccontextmanager
    async def lifespan(served: Server[Any]) -> AsyncIterator[Any]:
        async with server.lifespan(served) as state:
            if not guard.sessions:
                manager.direct = DirectEntry(protected, guard.security, state)
            yield state

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        protected.middleware = checked_middleware(server, guard)
        protected.lifespan = lifespan
        async with manager.run():
            yield

    return Served(manager.handle_request, run, streams_any=guard.sessions)


def checked_middleware(server: Server[Any], guard: Guard) -> list[Any]:
    """The server's own middleware, and the second check inside it."""
    kept = list(server.middleware)
    if isinstance(get_tracer_provider(), ProxyTracerProvider):
        # Nothing collects spans, and a span for each message costs nearly a tenth of a small call.
        kept = internals.without_spans(kept)
    return [*kept, PermissionMiddleware(guard.catalogue, guard.lists)]


def _as_json(result: BaseModel | dict[str, Any]) -> dict[str, Any]:
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return result
