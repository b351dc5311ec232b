"""The caller, as in the access token."""

from __future__ import annotations

from datetime import UTC, datetime

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field


class Caller(BaseModel):
    """The caller as the verified access token describes it."""

    subject: str = Field(description="the user's (or machine's) id at the issuer")
    client: str = Field(description="the client that the token was issued to")
    issuer: str = Field(description="who issued the token")
    permissions: list[str] = Field(description="what the caller may do here")
    expires_at: str = Field(description="when the token expires, ISO 8601 in UTC")


def register(mcp: MCPServer) -> None:
    """Add the tool to the server."""
    mcp.tool()(whoami)


async def whoami() -> Caller:
    """Tell who is asking: subject, client, permissions and until when."""
    token = get_access_token()
    if token is None or token.subject is None or token.expires_at is None:
        raise ToolError("Nobody is signed in: this server runs without the gate.")
    return Caller(
        subject=token.subject,
        client=token.client_id,
        issuer=str((token.claims or {}).get("iss")),
        permissions=token.scopes,
        expires_at=datetime.fromtimestamp(token.expires_at, UTC).isoformat(),
    )
