"""The fixtures behind the gate, and a good token added to each request: the suite's server scenarios know of none."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import httpx2
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gatehouse_server.app import protect
from gatehouse_server.auth.keys import SigningKeys
from tests.conformance.scenario_server import fixtures
from tests.server.token_issuer import JWKS_URL, RESOURCE, Issuer, settings


class TokenAdded:
    """Adds a good token to every request, and changes nothing else."""

    def __init__(self, app: ASGIApp, issuer: Issuer) -> None:
        self._app = app
        self._issuer = issuer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            token = (b"authorization", b"Bearer " + self._issuer.token().encode())
            scope = {**scope, "headers": [*scope["headers"], token]}
        await self._app(scope, receive, send)


@contextlib.contextmanager
def behind_the_gate(*, sessions: bool) -> Iterator[str]:
    """The URL by which the suite reaches the protected fixtures, on a free port."""
    issuer = Issuer()
    issuer.add_key("one")
    keys = SigningKeys(JWKS_URL, "RS256", http=httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = f"http://localhost:{listener.getsockname()[1]}"
        app = protect(
            fixtures(), settings(MCP_PUBLIC_URL=f"{origin}/mcp", AUTH0_AUDIENCE=RESOURCE), keys=keys, sessions=sessions
        )
        with served(TokenAdded(app, issuer), listener):
            yield f"{origin}/mcp"


@contextlib.contextmanager
def served(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """A thread serves the app. Whoever comes before it is there waits: the listener listens already."""
    config = uvicorn.Config(app, access_log=False, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)
