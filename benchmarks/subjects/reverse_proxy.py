"""A bare ASGI reverse proxy with the HTTP client of upstream mode: it passes everything on, and checks nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping

import httpx2
from serve import serve
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

URL = os.environ["UPSTREAM_URL"]
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host"}

client = httpx2.AsyncClient(timeout=300, trust_env=False)


def passed(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of the whole way."""
    return {name: value for name, value in headers.items() if name not in HOP_BY_HOP}


async def forward(request: Request) -> StreamingResponse:
    """The answer of the server at URL, as it arrives."""
    body = await request.body()
    sent = client.build_request(request.method, URL, headers=passed(request.headers), content=body)
    answer = await client.send(sent, stream=True)
    return StreamingResponse(
        answer.aiter_raw(),
        answer.status_code,
        headers=passed(answer.headers),
        background=BackgroundTask(answer.aclose),
    )


serve(Starlette(routes=[Route("/mcp", forward, methods=["POST", "GET", "DELETE"])]))
