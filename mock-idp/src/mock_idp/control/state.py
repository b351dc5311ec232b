"""The clock, the snapshots and the records of the tenant."""

from __future__ import annotations

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.clock import Clock
from ..web.request import idp_of
from .bodies import Body, ControlError, read_body

# A thousand years in seconds: far beyond any test, and within the range of datetime.
LIMIT = 1000 * 365 * 86400


class ClockBody(Body):
    """A change of the clock. All values are in seconds.

    `offset_seconds` is the distance from the machine's clock. `freeze_at` is a Unix time. `advance_seconds` is the
    distance from the current setting. `skew_seconds` changes only the times in tokens.
    """

    offset_seconds: float | None = Field(default=None, ge=-LIMIT, le=LIMIT)
    freeze_at: float | None = Field(default=None, ge=0, le=LIMIT)
    advance_seconds: float | None = Field(default=None, ge=-LIMIT, le=LIMIT)
    skew_seconds: float | None = Field(default=None, ge=-LIMIT, le=LIMIT)

    @model_validator(mode="after")
    def _has_one_value(self) -> ClockBody:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("send one of offset_seconds, freeze_at, advance_seconds and skew_seconds")
        return self


async def show_clock(request: Request) -> Response:
    clock = idp_of(request).clock
    offset, frozen_at, skew = clock.setting
    return JSONResponse({"now": clock.now(), "offset_seconds": offset, "freeze_at": frozen_at, "skew_seconds": skew})


async def move_clock(request: Request) -> Response:
    _move(idp_of(request).clock, await read_body(request, ClockBody))
    return await show_clock(request)


async def reset_clock(request: Request) -> Response:
    idp_of(request).clock.reset()
    return await show_clock(request)


async def take_snapshot(request: Request) -> Response:
    """Save everything: configuration, keys, clock, sessions, codes, tokens, registered clients, faults."""
    return JSONResponse({"id": idp_of(request).take_snapshot()}, status_code=201)


async def restore_snapshot(request: Request) -> Response:
    """Restore a snapshot. It can be restored again."""
    if not idp_of(request).restore_snapshot(request.path_params["snapshot"]):
        raise ControlError("There is no such snapshot.", 404)
    return Response(status_code=204)


async def reset(request: Request) -> Response:
    """Restore the configuration and the keys of the start. Sessions, tokens and records are deleted."""
    idp_of(request).reset()
    return Response(status_code=204)


async def show_log(request: Request) -> Response:
    """The tenant's log, oldest first. `?type=feacft` selects one code."""
    wanted = request.query_params.get("type")
    events = [event.as_dict() for event in idp_of(request).log.events if wanted in (None, event.type)]
    return JSONResponse({"logs": events})


async def clear_log(request: Request) -> Response:
    idp_of(request).log.clear()
    return Response(status_code=204)


async def show_journal(request: Request) -> Response:
    """The recorded requests, oldest first. `?path=/oauth/token` selects one path."""
    wanted = request.query_params.get("path")
    entries = [entry.as_dict() for entry in idp_of(request).journal.entries if wanted in (None, entry.path)]
    return JSONResponse({"requests": entries})


async def clear_journal(request: Request) -> Response:
    idp_of(request).journal.clear()
    return Response(status_code=204)


def _move(clock: Clock, body: ClockBody) -> None:
    before = clock.setting
    moves = {
        "offset_seconds": clock.shift,
        "freeze_at": clock.freeze,
        "advance_seconds": clock.advance,
        "skew_seconds": clock.skew,
    }
    for name, value in body.model_dump(exclude_none=True).items():
        moves[name](value)
    if not 0 <= clock.now() + clock.setting.skew <= LIMIT:
        clock.setting = before
        raise ControlError("That is outside of the times that the clock can show.")
