"""Cross-origin access (CORS) for pages of other origins. No other origin may read the tenant's own pages.

Source: Auth0, Set Up CORS and Application Settings; public requests to a live tenant. See BEHAVIOURS.md.
"""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..formats.origins import origin_of
from ..state.idp import Idp
from ..web.request import ISSUER, client_of

# Documents that are the same for everybody, and registration, which has no client yet.
PUBLIC = frozenset(
    {
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
        "/oidc/register",
    }
)
PER_CLIENT = frozenset(
    {
        *("/oauth/token", "/oauth/revoke", "/oauth/device/code", "/userinfo"),
        *("/dbconnections/signup", "/dbconnections/change_password"),
    }
)
# A browser keeps the answer to a preflight for five seconds, so that a change of the tenant takes effect.
OPTIONS: dict[str, Any] = {"allow_methods": ["GET", "POST"], "allow_headers": ["*"], "max_age": 5}
MAX_SHOWN = 200


class Cors:
    """Adds Access-Control-Allow-Origin: for every origin on PUBLIC, for the origins of the client on PER_CLIENT."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.public = CORSMiddleware(app, allow_origins=["*"], **OPTIONS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else None
        if path in PUBLIC:
            await self.public(scope, receive, send)
        elif path in PER_CLIENT:
            await self._per_client(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _per_client(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None:
            await self.app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            # A preflight names no client. Which origins Auth0 allows here is not established (?).
            clients = _idp(scope).tenant.clients.values()
            allowed = [origin] if any(client.allows_origin(origin) for client in clients) else []
            if not allowed:
                _log_refusal(scope, origin)
            answer = CORSMiddleware(self.app, allow_origins=allowed, **OPTIONS).preflight_response(headers)
            await answer(scope, receive, send)
        else:
            await self.app(scope, receive, _answering(scope, origin, send))


def _answering(scope: Scope, origin: str, send: Send) -> Send:
    """`send` for an answer that a page of this origin may read if the client of the request allows the origin."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers, client = MutableHeaders(scope=message), client_of(scope)
            headers.add_vary_header("Origin")
            if client is not None and client.allows_origin(origin):
                headers["Access-Control-Allow-Origin"] = origin
            elif origin != origin_of(scope[ISSUER]):
                _log_refusal(scope, origin)
        await send(message)

    return answer


def _log_refusal(scope: Scope, origin: str) -> None:
    _idp(scope).log.add(
        "fco",
        f"Origin {origin[:MAX_SHOWN]} is not allowed.",
        client=client_of(scope),
        details="A page of this origin cannot read the answer. Allowed are the origins of the application's callbacks, "
        "allowed_origins and web_origins.",
    )


def _idp(scope: Scope) -> Idp:
    idp: Idp = scope["app"].state.idp
    return idp
