"""The example server. Replace its tools by your own."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

from .tools import clock, identity


def example_server() -> MCPServer:
    """An MCP server with the example tools, not yet protected."""
    mcp = MCPServer("gatehouse", instructions="Tells the time, and who is asking.")
    mcp.tool()(clock.get_time)
    mcp.tool()(identity.whoami)
    return mcp
