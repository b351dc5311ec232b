"""The MCP session: the connection, the arguments of tools, elicitation."""
