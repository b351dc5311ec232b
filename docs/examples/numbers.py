from mcp.server.mcpserver import MCPServer

mcp = MCPServer("numbers")


@mcp.tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


app = mcp.streamable_http_app(stateless_http=True)
