"""A server of the MCP SDK over stdio."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

mcp = MCPServer("stdio", log_level="WARNING")


@mcp.tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool()
async def hidden() -> str:
    """A tool that the table does not name."""
    return "hidden"


@mcp.resource("shop://items/{item}")
async def item(item: str) -> str:
    """One item."""
    return item


mcp.run("stdio")
