from __future__ import annotations

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.clock import Clock
from ..web.request import idp_of
from .bodies import BadBody, Body, bad_request, read_body

# A thousand years either way: far beyond any test, and well within what dates can express.
LIMIT = 1000 * 365 * 86400


class ClockBody(Body):
    """Where to put the clock, all in seconds.

    `offset_seconds` is the distance from the machine's clock, `freeze_at` a Unix time, `advance_seconds` the distance
    from where it is, `skew_seconds` counts for the times in tokens only.
    """

    offset_seconds: float | None = Field(default=None, ge=-LIMIT, le=LIMIT)
    freeze_at: float | None = Field(default=None, ge=0, le=LIMIT)
    advance_seconds: float | None = Field(default=None, ge=-LIMIT, le=LIMIT)
    skew_seconds: float | None = Field(default=None, ge=-LIMIT, le=LIMIT)

    @model_validator(mode="after")
    def _one_of_them(self) -> ClockBody:
        values = (self.offset_seconds, self.freeze_at, self.advance_seconds, self.skew_seconds)
        if sum(value is not None for value in values) != 1:
            raise ValueError("send one of offset_seconds, freeze_at, advance_seconds and skew_seconds")
        return self


async def show_clock(request: Request) -> Response:
    return _answer(idp_of(request).clock)


async def move_clock(request: Request) -> Response:
    clock = idp_of(request).clock
    try:
        _move(clock, await read_body(request, ClockBody))
    except BadBody as error:
        return bad_request(error)
    return _answer(clock)


async def reset_clock(request: Request) -> Response:
    clock = idp_of(request).clock
    clock.reset()
    return _answer(clock)


def _move(clock: Clock, body: ClockBody) -> None:
    before = clock.setting
    moves = (
        (clock.shift, body.offset_seconds),
        (clock.freeze, body.freeze_at),
        (clock.advance, body.advance_seconds),
        (clock.skew, body.skew_seconds),
    )
    for move, value in moves:
        if value is not None:
            move(value)
    if not 0 <= clock.now() + clock.setting.skew <= LIMIT:
        clock.setting = before
        raise BadBody("That is outside of the times that the clock can show.")


def _answer(clock: Clock) -> Response:
    offset, frozen_at, skew = clock.setting
    return JSONResponse({"now": clock.now(), "offset_seconds": offset, "freeze_at": frozen_at, "skew_seconds": skew})
