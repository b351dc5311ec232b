from __future__ import annotations

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..clock import Clock
from ..web import idp_of
from .bodies import BadBody, Body, bad_request, read_body

# A thousand years either way: far beyond any test, and well within what dates can express.
LIMIT = 1000 * 365 * 86400


class ClockBody(Body):
    """Where to put the clock: `offset_seconds` away from the machine's, or standing at `freeze_at` (Unix seconds)."""

    offset_seconds: float | None = Field(default=None, ge=-LIMIT, le=LIMIT)
    freeze_at: float | None = Field(default=None, ge=0, le=LIMIT)

    @model_validator(mode="after")
    def _one_of_both(self) -> ClockBody:
        if (self.offset_seconds is None) == (self.freeze_at is None):
            raise ValueError("send either offset_seconds or freeze_at")
        return self


async def move_clock(request: Request) -> Response:
    try:
        body = await read_body(request, ClockBody)
    except BadBody as error:
        return bad_request(error)
    clock = idp_of(request).clock
    if body.offset_seconds is not None:
        clock.shift(body.offset_seconds)
    if body.freeze_at is not None:
        clock.freeze(body.freeze_at)
    return _answer(clock)


async def reset_clock(request: Request) -> Response:
    clock = idp_of(request).clock
    clock.reset()
    return _answer(clock)


def _answer(clock: Clock) -> Response:
    offset, frozen_at = clock.setting
    return JSONResponse({"now": clock.now(), "offset_seconds": offset, "freeze_at": frozen_at})
