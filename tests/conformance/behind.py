"""The fixtures behind the gate, and a proxy in front that adds a good token: the suite knows of no authorization."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import httpx2
import uvicorn
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fixtures import fixtures
from gatehouse_server.app import protect
from gatehouse_server.keys import SigningKeys
from issuer import JWKS_URL, Issuer, settings

START_SECONDS = 20


class TokenAdded:
    """Passes every request on, unchanged but for a token. Hosts and origins, good or bad, are for the server to judge."""

    def __init__(self, upstream: str, issuer: Issuer) -> None:
        self._upstream = upstream
        self._issuer = issuer
        self._http = httpx2.AsyncClient(timeout=None, trust_env=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        token = (b"authorization", b"Bearer " + self._issuer.token().encode())
        passed = self._http.build_request(
            request.method,
            f"{self._upstream}{request.url.path}",
            headers=[*request.headers.raw, token],
            content=await request.body(),
        )
        answer = await self._http.send(passed, stream=True)
        response = StreamingResponse(
            answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        response.raw_headers = list(answer.headers.raw)
        await response(scope, receive, send)


@contextlib.contextmanager
def behind_the_gate(*, sessions: bool) -> Iterator[str]:
    """The URL by which the suite reaches the protected fixtures, on a free port."""
    issuer = Issuer()
    issuer.add_key("one")
    keys = SigningKeys(JWKS_URL, "RS256", http=httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle)))
    with (
        served(protect(fixtures(), settings(), keys=keys, sessions=sessions)) as upstream,
        served(TokenAdded(upstream, issuer), lifespan="off") as front,
    ):
        yield f"{front}/mcp"


@contextlib.contextmanager
def served(app: ASGIApp, lifespan: str = "on") -> Iterator[str]:
    """The app's origin; a thread serves it on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        lifespan="on" if lifespan == "on" else "off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.02)
    try:
        yield f"http://localhost:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
