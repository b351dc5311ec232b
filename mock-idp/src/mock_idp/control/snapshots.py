from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..web.request import idp_of
from .bodies import not_found


async def take_snapshot(request: Request) -> Response:
    """Remember everything: configuration, keys, clock, sessions, codes, tokens, registered clients, faults."""
    return JSONResponse({"id": idp_of(request).take_snapshot()}, status_code=201)


async def restore_snapshot(request: Request) -> Response:
    """Go back to a snapshot; it can be restored again."""
    restored = idp_of(request).restore_snapshot(request.path_params["snapshot"])
    return Response(status_code=204) if restored else not_found("There is no such snapshot.")


async def reset(request: Request) -> Response:
    """Go back to the start: as the files and presets said, with the keys of the start and an empty memory."""
    idp_of(request).reset()
    return Response(status_code=204)
