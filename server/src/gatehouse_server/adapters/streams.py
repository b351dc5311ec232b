"""Answers as plain JSON, and as an event stream where the client asked to be told more while it waits.

MCP streamable HTTP lets the server choose per request (all revisions). JSON is one write and any HTTP client reads
it; notifications (progress, log messages) need the stream.
"""

from __future__ import annotations

from typing import Any

from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from sse_starlette.sse import AppStatus
from starlette.types import Receive, Scope, Send

from ..auth.operations import passed


class OnDemandStreams(StreamableHTTPSessionManager):
    """The SDK's session manager, with `json_response` decided for each request.

    Args:
        sessions: keep sessions for clients of the handshake revisions, and answer all of them with event streams:
            only so can a tool ask such a client something (sampling, elicitation, roots).
    """

    def __init__(self, server: Server[Any], security: TransportSecuritySettings, *, sessions: bool = False) -> None:
        super().__init__(server, stateless=not sessions, security_settings=security)
        if not sessions:
            # At a signal the library would cut every stream at once. Without sessions a stream ends with its call, and
            # calls in flight are to be finished.
            AppStatus.enable_automatic_graceful_drain = False

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle it without the SDK's own limit of the body: the gate has read and measured it."""
        await self._handle_request(scope, receive, send)

    @property
    def json_response(self) -> bool:
        """False while a request is handled that is answered as an event stream."""
        return self.stateless and not passed.get().wants_stream

    @json_response.setter
    def json_response(self, value: bool) -> None:
        """The SDK's constructor sets what is decided here."""
