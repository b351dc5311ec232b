"""The adapter for a server, by the server's type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp

from .asgi import AsgiAdapter
from .host import Adapter
from .lowlevel import LowLevelAdapter
from .mcpserver import MCPServerAdapter

if TYPE_CHECKING:
    from fastmcp import FastMCP


def adapter_for(server: MCPServer | Server[Any] | FastMCP[Any] | ASGIApp) -> Adapter:
    """The adapter for the server.

    Raises:
        TypeError: it is not a server of a known kind.
    """
    if isinstance(server, MCPServer):
        return MCPServerAdapter(server)
    if isinstance(server, Server):
        return LowLevelAdapter(server)
    # FastMCP is optional. If it is not imported, the server is none.
    if any(base.__name__ == "FastMCP" and base.__module__.startswith("fastmcp.") for base in type(server).__mro__):
        from .fastmcp import FastMCPAdapter

        return FastMCPAdapter(server)  # type: ignore[arg-type]  # just checked
    if callable(server):
        return AsgiAdapter(server)
    raise TypeError(
        f"{type(server).__name__} cannot be protected: an MCPServer, a low-level Server, a FastMCP or an ASGI app can."
    )
