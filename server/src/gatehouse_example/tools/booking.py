"""A tool that asks the person before it acts (elicitation)."""

from __future__ import annotations

from typing import Annotated

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel, Field


class Confirmation(BaseModel):
    """The answer that the person gives."""

    confirmed: bool = Field(description="Book it?")


def register(mcp: MCPServer) -> None:
    """Add the tool to the server."""
    mcp.tool()(book_room)


async def _ask(room: str, hour: int) -> Elicit[Confirmation]:
    return Elicit(f"Book the room {room!r} from {hour}:00 to {hour + 1}:00?", Confirmation)


async def book_room(
    room: Annotated[str, Field(max_length=40, description="the room's name")],
    hour: Annotated[int, Field(ge=0, le=23, description="the hour at which it begins")],
    answer: Annotated[ElicitationResult[Confirmation], Resolve(_ask)],
) -> str:
    """Book a room for an hour. The person is asked first; needs a client of revision 2026-07-28 that can ask."""
    if isinstance(answer, AcceptedElicitation) and answer.data.confirmed:
        return f"Booked {room} from {hour}:00 to {hour + 1}:00 (an example: nothing is kept)."
    return "Not booked: the person said no."
