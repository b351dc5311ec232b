"""The sign-in at the tenant that protects an MCP server."""
