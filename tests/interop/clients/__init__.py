"""MCP clients of others against the default stack, and what must hold with each."""
