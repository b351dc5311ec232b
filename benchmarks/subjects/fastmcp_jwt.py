"""The same tool on FastMCP 4 with its JWTVerifier, which caches the keys for an hour."""

from __future__ import annotations

from datetime import datetime

from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from pydantic import AnyHttpUrl
from serve import AUDIENCE, ISSUER, serve
from time_answer import Time

verifier = JWTVerifier(
    jwks_uri=f"{ISSUER}.well-known/jwks.json",
    issuer=ISSUER,
    audience=AUDIENCE,
    algorithm="RS256",
    required_scopes=["access:mcp"],
)
auth = RemoteAuthProvider(
    token_verifier=verifier,
    authorization_servers=[AnyHttpUrl(ISSUER)],
    base_url="http://localhost:5555",
)
mcp = FastMCP("fastmcp", auth=auth)


@mcp.tool
async def get_time() -> Time:
    """Tell what time it is now."""
    return Time.of(datetime.now().astimezone())


serve(mcp.http_app(path="/mcp", stateless_http=True, json_response=True))
