"""Signing in to the tenant that protects an MCP server."""
