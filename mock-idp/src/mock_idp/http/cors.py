from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

# What a browser client calls with fetch. The pages are not among them: nothing may read those from another origin.
OPEN_PATHS = frozenset(
    {
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
        "/oauth/token",
        "/oauth/revoke",
        "/oauth/device/code",
        "/oidc/register",
        "/userinfo",
    }
)


class Cors:
    """Cross-origin access to the endpoints that take no cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.open = CORSMiddleware(
            app, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"], max_age=600
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.open if scope["type"] == "http" and scope["path"] in OPEN_PATHS else self.app
        await app(scope, receive, send)
