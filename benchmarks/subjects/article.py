"""The article's server: mcp 1.23, and a new PyJWKClient (and so a new fetch of the keys) for every request.

Two differences make it faster than in the article: it is stateless with plain JSON instead of stateful with event
streams, and uvloop and httptools serve it.
"""

from __future__ import annotations

from datetime import datetime

import jwt
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.fastmcp import FastMCP
from pydantic import AnyHttpUrl
from serve import AUDIENCE, ISSUER, serve
from time_answer import Time


class Auth0TokenVerifier(TokenVerifier):
    """Verifies with PyJWT; the fetch of the keys blocks the event loop."""

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's content, or None if it is not valid."""
        try:
            key = jwt.PyJWKClient(f"{ISSUER}.well-known/jwks.json").get_signing_key_from_jwt(token)
            claims = jwt.decode(token, key.key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["azp"],
            scopes=claims.get("scope", "").split(),
            expires_at=claims["exp"],
        )


mcp = FastMCP(
    "article",
    token_verifier=Auth0TokenVerifier(),
    auth=AuthSettings(
        issuer_url=AnyHttpUrl(ISSUER), resource_server_url=AnyHttpUrl(AUDIENCE), required_scopes=["access:mcp"]
    ),
    stateless_http=True,
    json_response=True,
    log_level="WARNING",
)


@mcp.tool()
async def get_time() -> Time:
    """Tell what time it is now."""
    return Time.of(datetime.now().astimezone())


serve(mcp.streamable_http_app())
