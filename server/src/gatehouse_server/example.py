"""The example server. Replace its tools by your own."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer
from mcp.server.request_state import RequestStateSecurity
from starlette.applications import Starlette

from .app import protect
from .keys import SigningKeys
from .metrics import Metrics
from .settings import Settings
from .tools import clock, identity

IMPLIED = {"time:admin": ["time:convert", "time:zones"]}
"""Which permission implies which others."""


def example_server(settings: Settings) -> MCPServer:
    """An MCP server with the example tools, not yet protected."""
    mcp = MCPServer(
        "gatehouse",
        instructions="Tells the time, converts it, and says who is asking.",
        request_state_security=_request_state(settings),
    )
    for module in (clock, identity):
        module.register(mcp)
    return mcp


def example_app(settings: Settings, *, metrics: Metrics | None = None, keys: SigningKeys | None = None) -> Starlette:
    """The example server behind the gate."""
    return protect(example_server(settings), settings, implies=IMPLIED, metrics=metrics, keys=keys)


def _request_state(settings: Settings) -> RequestStateSecurity:
    # Without a secret of its own each process seals with a key of its own: fine for one, wrong for replicas.
    if settings.request_state_secret is None:
        return RequestStateSecurity.ephemeral()
    return RequestStateSecurity(keys=[settings.request_state_secret.get_secret_value()])
