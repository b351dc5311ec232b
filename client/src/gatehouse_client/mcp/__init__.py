"""MCP: the session with the server, arguments of tools, elicitation."""
