from __future__ import annotations

import hmac
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..web.sender import is_for_loopback, is_from_this_machine

WRONG_TOKEN = "The control API needs Authorization: Bearer with the value of MOCK_IDP_CONTROL_TOKEN."  # noqa: S105
NOT_LOOPBACK = (
    "The control API answers only programs on this machine. "
    "Set MOCK_IDP_CONTROL_TOKEN and send it as Authorization: Bearer to reach it from elsewhere."
)


@dataclass(frozen=True)
class ControlAccess:
    """Who may use the control API: whoever has the token or, without one, programs on this machine."""

    token: str | None = None


class ControlGate:
    """Lets a request pass that has the control token or, where no token is set, comes from this machine itself.

    A web page that is open in a browser on this machine is not this machine: requests with the marks of one
    (Origin, Sec-Fetch-Site, a Host that is no loopback name) are refused, and so are those a proxy passed on.
    """

    def __init__(self, app: ASGIApp, access: ControlAccess) -> None:
        self.app = app
        self.token = access.token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if self.token is not None:
            refusal = None if _has_token(request, self.token) else (401, WRONG_TOKEN)
        else:
            refusal = None if _is_local_program(request) else (403, NOT_LOOPBACK)
        if refusal is None:
            await self.app(scope, receive, send)
            return
        await JSONResponse({"error": refusal[1]}, status_code=refusal[0])(scope, receive, send)


def _has_token(request: Request, token: str) -> bool:
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(sent.encode(), token.encode())


def _is_local_program(request: Request) -> bool:
    if not is_from_this_machine(request) or "origin" in request.headers:
        return False
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    return is_for_loopback(request)
