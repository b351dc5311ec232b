"""An MCP server that only lets the right people in."""
