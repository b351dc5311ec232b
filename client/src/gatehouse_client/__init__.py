"""The agent that signs in to a protected MCP server."""

__version__ = "0.1.0"
