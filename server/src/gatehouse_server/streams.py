"""Answers as plain JSON, and as an event stream where the client asked to be told of progress.

MCP streamable HTTP lets the server choose per request (all revisions). JSON is one write and any HTTP client reads
it; notifications about progress need the stream.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import Receive, Scope, Send

streaming: ContextVar[bool] = ContextVar("streaming", default=False)
"""Whether this request is answered as an event stream."""


class OnDemandStreams(StreamableHTTPSessionManager):
    """The SDK's stateless session manager, with `json_response` decided for each request."""

    def __init__(self, server: Server[Any], security: TransportSecuritySettings) -> None:
        super().__init__(server, stateless=True, security_settings=security)

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle it without the SDK's own limit of the body: the gate has read and measured it."""
        await self._handle_request(scope, receive, send)

    @property
    def json_response(self) -> bool:
        """False while a request is handled whose client asked for progress."""
        return not streaming.get()

    @json_response.setter
    def json_response(self, value: bool) -> None:
        """The SDK's constructor sets what is decided here."""
