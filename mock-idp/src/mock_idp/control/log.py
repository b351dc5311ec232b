from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..web.request import idp_of


async def show_log(request: Request) -> Response:
    """The tenant's log, oldest first; `?type=feacft` narrows it to one code."""
    wanted = request.query_params.get("type")
    events = [event.as_dict() for event in idp_of(request).log.events if wanted in (None, event.type)]
    return JSONResponse({"logs": events})


async def clear_log(request: Request) -> Response:
    idp_of(request).log.clear()
    return Response(status_code=204)


async def show_journal(request: Request) -> Response:
    """The requests, oldest first; `?path=/oauth/token` narrows it to one path."""
    wanted = request.query_params.get("path")
    entries = [entry.as_dict() for entry in idp_of(request).journal.entries if wanted in (None, entry.path)]
    return JSONResponse({"requests": entries})


async def clear_journal(request: Request) -> Response:
    idp_of(request).journal.clear()
    return Response(status_code=204)
