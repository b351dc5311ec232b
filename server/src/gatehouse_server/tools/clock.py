"""The time, here or anywhere."""

from __future__ import annotations

import difflib
from datetime import datetime, tzinfo
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field


class Time(BaseModel):
    """A moment in a time zone."""

    time: str = Field(description="ISO 8601 with the offset from UTC, to the second")
    timezone: str = Field(description="the time zone's name")
    weekday: str = Field(description="the day of the week in English")


async def get_time(
    timezone: Annotated[
        str | None, Field(description="IANA time zone such as Asia/Tokyo; without it the server's own")
    ] = None,
) -> Time:
    """Tell what time it is now, in a time zone or where the server is."""
    now = datetime.now(_zone(timezone) if timezone else None).astimezone(_zone(timezone) if timezone else None)
    return Time(
        time=now.isoformat(timespec="seconds"),
        timezone=timezone or now.tzname() or "UTC",
        weekday=now.strftime("%A"),
    )


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> tzinfo:
    # ZoneInfo opens a file of that name: only known names may reach it.
    if name not in _names():
        similar = difflib.get_close_matches(name, _names(), n=3, cutoff=0.5)
        hint = f" Similar names: {', '.join(similar)}." if similar else ""
        raise ToolError(f"{name[:64]!r} is not an IANA time zone such as Asia/Tokyo or Europe/Paris.{hint}")
    return ZoneInfo(name)
