"""Health probes: `/livez` for the process, `/readyz` for its ability to verify tokens."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..auth.keys import KeysUnavailable, SigningKeys

_HEADERS = {"Cache-Control": "no-store"}


def health_routes(keys: SigningKeys) -> list[Route]:
    """`/readyz` depends on the tenant. `/livez` does not, because a restart of the server does not fix the tenant."""

    async def livez(_: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"}, headers=_HEADERS)

    async def readyz(_: Request) -> JSONResponse:
        try:
            await keys.warm()
        except KeysUnavailable as error:
            headers = {**_HEADERS, "Retry-After": str(error.retry_after)}
            return JSONResponse({"status": "unavailable", "reason": str(error)}, 503, headers=headers)
        return JSONResponse({"status": "ready"}, headers=_HEADERS)

    return [Route("/livez", livez), Route("/readyz", readyz)]
