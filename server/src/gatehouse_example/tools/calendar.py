"""The user's calendar at another API, read for the user with a token for that API."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field, ValidationError

from gatehouse_server import ExchangeFailed, TokenExchange, requires


class Event(BaseModel):
    """An entry of the calendar."""

    start: str = Field(description="time of day")
    title: str


class Calendar(BaseModel):
    """The answer of the calendar API."""

    owner: str = Field(description="the owner of the calendar: the user's id at the tenant")
    read_by: str = Field(description="the client that read the calendar for the user, as the calendar API sees it")
    events: list[Event]


@dataclass(frozen=True)
class CalendarTools:
    """Tools that use the calendar API.

    Args:
        url: the URL of the calendar's events.
        audience: the calendar API's identifier in the tenant.
    """

    exchange: TokenExchange
    http: httpx2.AsyncClient
    url: str
    audience: str

    def register(self, mcp: MCPServer) -> None:
        """Add the tools to the server."""
        mcp.tool()(self.list_events)

    @requires("calendar:read")
    async def list_events(self) -> Calendar:
        """List today's events of the user's calendar, from another API."""
        caller = get_access_token()
        if caller is None or caller.expires_at is None:
            raise ToolError("Nobody is signed in: this server runs without the gate.")
        try:
            token = await self.exchange.token_for(caller.token, self.audience, "calendar:read", until=caller.expires_at)
            answer = await self.http.get(self.url, headers={"Authorization": f"Bearer {token}"})
            answer.raise_for_status()
            return Calendar.model_validate_json(answer.content)
        except ExchangeFailed as error:
            raise ToolError(f"The calendar cannot be read for you. {error}") from error
        except (httpx2.HTTPError, ValidationError) as error:
            raise ToolError(f"The calendar API at {self.url} gave no events: {type(error).__name__}.") from error
