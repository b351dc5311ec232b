"""The scenario server behind the gate. It adds a valid token to each request, because the suite sends none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from gatehouse_server.app import protect
from gatehouse_server.auth.provider.keys import SigningKeys
from tests.conformance.on_fastmcp import OnFastMCP
from tests.conformance.scenario_server import OnMCPServer, scenario_server
from tests.server.token_issuer import JWKS_URL, RESOURCE, Issuer, settings
from tests.support.serve_in_thread import listening_socket, serve_in_thread


class AddToken:
    """Adds a valid token to every request and changes nothing else."""

    def __init__(self, app: ASGIApp, issuer: Issuer) -> None:
        self._app = app
        self._issuer = issuer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            token = (b"authorization", b"Bearer " + self._issuer.token().encode())
            scope = {**scope, "headers": [*scope["headers"], token]}
        await self._app(scope, receive, send)


@contextlib.contextmanager
def protected_scenario_server(kind: type[OnMCPServer | OnFastMCP] = OnMCPServer, *, sessions: bool) -> Iterator[str]:
    """Serve the protected scenario server on a free port; yields its MCP URL."""
    issuer = Issuer()
    issuer.add_key("one")
    keys = SigningKeys(JWKS_URL, "RS256", http=httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle)))
    with listening_socket() as listener:
        origin = f"http://localhost:{listener.getsockname()[1]}"
        app = protect(
            scenario_server(kind),
            settings(MCP_PUBLIC_URL=f"{origin}/mcp", AUTH0_AUDIENCE=RESOURCE),
            keys=keys,
            sessions=sessions,
        )
        with serve_in_thread(AddToken(app, issuer), listener):
            yield f"{origin}/mcp"
