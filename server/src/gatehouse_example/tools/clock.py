"""The time in any time zone: a tool with only the base permission; a tool, a resource and a prompt with their own."""

from __future__ import annotations

import difflib
from datetime import datetime, tzinfo
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from gatehouse_server import requires

TimeZone = Annotated[str, Field(description="IANA time zone such as Asia/Tokyo")]


class Time(BaseModel):
    """A moment in a time zone."""

    time: str = Field(description="ISO 8601 with the offset from UTC, to the second")
    timezone: str = Field(description="the time zone's name")
    weekday: str = Field(description="the day of the week in English")


def register(mcp: MCPServer) -> None:
    """Add the tools, the resource and the prompt to the server."""
    mcp.tool()(get_time)
    mcp.tool()(convert_time)
    mcp.resource("gatehouse://timezones/{region}", mime_type="text/plain")(timezones)
    mcp.prompt()(plan_meeting)


async def get_time(
    timezone: Annotated[
        str | None, Field(description="IANA time zone such as Asia/Tokyo; without it the server's own time zone")
    ] = None,
) -> Time:
    """Tell what time it is now, in a time zone or where the server is."""
    now = datetime.now(_zone(timezone)) if timezone else datetime.now().astimezone()
    return _as_time(now, timezone)


@requires("time:convert")
async def convert_time(
    time: Annotated[str, Field(description="ISO 8601 without an offset, such as 2026-07-28T09:30")],
    from_timezone: TimeZone,
    to_timezone: TimeZone,
) -> Time:
    """Convert a time from one time zone to another. Needs a permission of its own: a client has to step up."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        raise ToolError(f"{time[:64]!r} is not a time such as 2026-07-28T09:30.") from None
    if moment.tzinfo is not None:
        raise ToolError(f"{time[:64]!r} has an offset already: leave it out, from_timezone says it.")
    try:
        return _as_time(moment.replace(tzinfo=_zone(from_timezone)).astimezone(_zone(to_timezone)), to_timezone)
    except OverflowError:
        raise ToolError(f"{time[:64]!r} is too near the end of the calendar.") from None


@requires("time:zones")
async def timezones(region: str) -> str:
    """The IANA time zones of a region such as Europe, one per line."""
    return "\n".join(sorted(name for name in _zone_names() if name.startswith(f"{region}/")))


@requires("time:convert")
async def plan_meeting(timezones: Annotated[str, Field(description="time zones separated by commas")]) -> str:
    """Find an hour at which people in several time zones are awake."""
    return f"Find an hour between 9:00 and 17:00 local time for people in {timezones}. Convert it with convert_time."


def _as_time(moment: datetime, timezone: str | None) -> Time:
    return Time(
        time=moment.isoformat(timespec="seconds"),
        timezone=timezone or moment.tzname() or "UTC",
        weekday=moment.strftime("%A"),
    )


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> tzinfo:
    # ZoneInfo opens a file with that name, so only known names are passed to it.
    if name not in _zone_names():
        similar = difflib.get_close_matches(name, _zone_names(), n=3, cutoff=0.5)
        hint = f" Similar names: {', '.join(similar)}." if similar else ""
        raise ToolError(f"{name[:64]!r} is not an IANA time zone such as Asia/Tokyo or Europe/Paris.{hint}")
    return ZoneInfo(name)
