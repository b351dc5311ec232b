"""A server with tools, prompts and resources that need permissions."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer
from mcp_types import Completion

from gatehouse_server.auth.permissions import requires

READ, WRITE = "shop:read", "shop:write"


def shop() -> MCPServer:
    """Tools, prompts and resources with `requires` above and below the SDK's decorator."""
    mcp = MCPServer("shop")
    add_tools(mcp)
    add_prompts(mcp)
    add_resources(mcp)
    return mcp


def add_tools(mcp: MCPServer) -> None:
    """One tool with only the base permission, two with one permission, one with two."""

    @mcp.tool()
    async def open_tool() -> str:
        return "open"

    @mcp.tool()
    @requires(READ)
    async def below_tool() -> str:
        return "read"

    @requires(READ)
    @mcp.tool()
    def above_tool() -> str:
        return "read"

    @mcp.tool()
    @requires(READ, WRITE)
    async def both_tool() -> str:
        return "both"


def add_prompts(mcp: MCPServer) -> None:
    """Two prompts with a permission; a completion for their arguments and those of the templates."""

    @mcp.prompt()
    @requires(READ)
    async def below_prompt() -> str:
        return "read"

    @requires(READ)
    @mcp.prompt()
    def above_prompt(topic: str = "") -> str:
        return topic

    @mcp.completion()
    async def complete(ref: object, argument: object, context: object) -> Completion:
        return Completion(values=["done"])


def add_resources(mcp: MCPServer) -> None:
    """Two resources and two templates, each with a permission."""

    @mcp.resource("shop://below")
    @requires(READ)
    async def below_resource() -> str:
        return "read"

    @requires(READ)
    @mcp.resource("shop://above")
    def above_resource() -> str:
        return "read"

    @mcp.resource("shop://below/{item}")
    @requires(READ)
    async def below_template(item: str) -> str:
        return item

    @requires(READ)
    @mcp.resource("shop://above/{item}")
    def above_template(item: str) -> str:
        return item
