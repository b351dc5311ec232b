from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..web import idp_of


async def reset(request: Request) -> Response:
    """Forget everything that happened since the start; the keys stay."""
    idp_of(request).reset()
    return Response(status_code=204)
