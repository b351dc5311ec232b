"""The answer of every subject's tool, in the form of the example server's tool."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class Time(BaseModel):
    """A moment in a time zone."""

    time: str = Field(description="ISO 8601 with the offset from UTC, to the second")
    timezone: str = Field(description="the time zone's name")
    weekday: str = Field(description="the day of the week in English")

    @classmethod
    def of(cls, moment: datetime) -> Time:
        """The answer for that moment."""
        return cls(
            time=moment.isoformat(timespec="seconds"),
            timezone=moment.tzname() or "UTC",
            weekday=moment.strftime("%A"),
        )
