"""The user's calendar at another API, read on the user's behalf with a token of that API's own."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field, ValidationError

from ...auth.permissions import requires
from ...auth.token_exchange import ExchangeFailed, TokenExchange


class Event(BaseModel):
    """An entry of the calendar."""

    start: str = Field(description="time of day")
    title: str


class Calendar(BaseModel):
    """What the calendar API told."""

    owner: str = Field(description="whose calendar it is: the user's id at the tenant")
    read_by: str = Field(description="who read it for the user, as the calendar API saw it")
    events: list[Event]


@dataclass(frozen=True)
class CalendarTools:
    """Tools over the calendar API.

    Args:
        url: where the calendar's events are.
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
        """List today's events of the user's calendar, which another API keeps."""
        caller = get_access_token()
        if caller is None or caller.expires_at is None:
            raise ToolError("Nobody is signed in: this server runs without its gate.")
        try:
            token = await self.exchange.token_for(caller.token, self.audience, "calendar:read", until=caller.expires_at)
            answer = await self.http.get(self.url, headers={"Authorization": f"Bearer {token}"})
            answer.raise_for_status()
            return Calendar.model_validate_json(answer.content)
        except ExchangeFailed as error:
            raise ToolError(f"The calendar cannot be read for you. {error}") from error
        except (httpx2.HTTPError, ValidationError) as error:
            raise ToolError(f"The calendar API at {self.url} gave no events: {type(error).__name__}.") from error
