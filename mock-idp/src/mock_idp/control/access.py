from __future__ import annotations

import hmac
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import OAuthError
from ..tenant.loading import ConfigurationError
from ..web.request import is_from_this_machine
from .bodies import ControlError

WRONG_TOKEN = "The control API needs the header Authorization: Bearer with the value of MOCK_IDP_CONTROL_TOKEN."  # noqa: S105
NOT_LOOPBACK = (
    "The control API answers only programs on this machine. "
    "Set MOCK_IDP_CONTROL_TOKEN and send it as Authorization: Bearer to use it from another machine."
)


@dataclass(frozen=True)
class ControlAccess:
    """The access to the control API. With a token, requests must send it. Without one, only this machine has access."""

    token: str | None = None


class ControlGate:
    """Passes permitted requests to `app`, and answers refusals as JSON.

    Without a token, a request must come from a program on this machine. A request of a web page in a local browser
    (Origin, Sec-Fetch-Site) is refused, and so is a request through a proxy.
    """

    def __init__(self, app: ASGIApp, access: ControlAccess) -> None:
        self.app = app
        self.token = access.token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(Request(scope))
            await self.app(scope, receive, send)
        except ControlError as error:
            await JSONResponse({"error": str(error)}, status_code=error.status)(scope, receive, send)
        except OAuthError as error:
            await JSONResponse({"error": f"{error.description}."}, status_code=400)(scope, receive, send)
        except ConfigurationError as error:
            message = " ".join(f"{line}." for line in error.lines)
            await JSONResponse({"error": message}, status_code=400)(scope, receive, send)

    def _check(self, request: Request) -> None:
        if self.token is not None:
            if not _has_token(request, self.token):
                raise ControlError(WRONG_TOKEN, 401)
        elif not _is_local_program(request):
            raise ControlError(NOT_LOOPBACK, 403)


def _has_token(request: Request, token: str) -> bool:
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(sent.encode(), token.encode())


def _is_local_program(request: Request) -> bool:
    if not is_from_this_machine(request) or "origin" in request.headers:
        return False
    return request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
