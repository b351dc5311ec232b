"""A Starlette route with the same answer as the gate to a request without a token, and nothing else."""

from __future__ import annotations

from serve import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

DESCRIPTION = "This server needs an access token: Authorization: Bearer <token>."
METADATA = "http://localhost:5555/.well-known/oauth-protected-resource/mcp"
HEADERS = {
    "WWW-Authenticate": f'Bearer scope="access:mcp", resource_metadata="{METADATA}"',
    "Cache-Control": "no-store",
}


async def refuse(_: Request) -> JSONResponse:
    """401, always."""
    return JSONResponse({"error_description": DESCRIPTION}, 401, headers=HEADERS)


serve(Starlette(routes=[Route("/mcp", refuse, methods=["POST"])]))
