"""Health probes: `/livez` for the process, `/readyz` for its ability to verify tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..auth.provider.keys import KeysUnavailable, SigningKeys

_HEADERS = {"Cache-Control": "no-store"}


def health_routes(keys: SigningKeys, problem: Callable[[], Awaitable[str]] | None = None) -> list[Route]:
    """`/readyz` depends on the tenant. `/livez` does not, because a restart of the server does not fix the tenant.

    Args:
        problem: another reason not to be ready; an empty text if there is none.
    """

    async def livez(_: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"}, headers=_HEADERS)

    async def readyz(_: Request) -> JSONResponse:
        try:
            await keys.warm()
        except KeysUnavailable as error:
            headers = {**_HEADERS, "Retry-After": str(error.retry_after)}
            return JSONResponse({"status": "unavailable", "reason": str(error)}, 503, headers=headers)
        reason = await problem() if problem is not None else ""
        if reason:
            headers = {**_HEADERS, "Retry-After": "2"}
            return JSONResponse({"status": "unavailable", "reason": reason}, 503, headers=headers)
        return JSONResponse({"status": "ready"}, headers=_HEADERS)

    return [Route("/livez", livez), Route("/readyz", readyz)]
