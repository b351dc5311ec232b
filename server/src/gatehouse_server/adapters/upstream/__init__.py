"""An MCP server in another process, in any language, behind the gate: over HTTP or over stdio."""
