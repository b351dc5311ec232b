"""One module for each kind of MCP server that the gate can protect."""
