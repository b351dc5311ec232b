"""Another API behind the same tenant: a calendar with its own audience.

It is an example of an API that the MCP server calls for the user. It has nothing to do with MCP, and it does not accept
a token for the MCP server.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatehouse_server import KeysUnavailable, TokenRefused, TokenVerifier, VerifiedToken

PERMISSION = "calendar:read"


def calendar_app(verifier: TokenVerifier) -> Starlette:
    """The calendar: `GET /events` with a token of its audience and `calendar:read`."""

    async def events(request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            verified = await verifier.verify(token)
        except TokenRefused as error:
            return JSONResponse({"error": error.code, "error_description": error.description}, 401)
        except KeysUnavailable as error:
            return JSONResponse({"error": "temporarily_unavailable", "error_description": str(error)}, 503)
        if PERMISSION not in verified.granted:
            return JSONResponse({"error": "insufficient_scope", "error_description": PERMISSION}, 403)
        return JSONResponse({"owner": verified.subject, "read_by": _actor(verified), "events": _EVENTS})

    return Starlette(routes=[Route("/events", events)])


def _actor(verified: VerifiedToken) -> str:
    act = verified.claims.get("act")
    return str(act["sub"]) if isinstance(act, dict) and "sub" in act else verified.client_id


_EVENTS = [
    {"start": "09:30", "title": "Stand-up"},
    {"start": "14:00", "title": "Design review"},
]
