"""The agent that signs in to a protected MCP server."""
