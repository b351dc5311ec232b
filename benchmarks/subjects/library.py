"""The same server as a user of the library has it: `uvicorn library:protected` and `uvicorn library:unprotected`.

Everything is uvicorn's and `protect()`'s default: the access log, the protocol class, a heap that is not frozen, and
the audit trail.
"""

from __future__ import annotations

from datetime import datetime

from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from time_answer import Time

from gatehouse_server import load_settings, protect

mcp = MCPServer("library")


@mcp.tool()
async def get_time() -> Time:
    """Tell what time it is now."""
    return Time.of(datetime.now().astimezone())


def unprotected() -> Starlette:
    """The SDK's own app, in its fastest form: plain JSON, without sessions."""
    return mcp.streamable_http_app(json_response=True, stateless_http=True)


def protected() -> Starlette:
    """The app of docs/protect.md."""
    return protect(mcp, load_settings())
