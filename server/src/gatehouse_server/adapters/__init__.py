"""What each kind of MCP server offers, and how the gate sits in front of it. Today: the SDK's MCPServer."""
