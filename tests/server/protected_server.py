"""A protected server in this process, and requests to it of both protocol eras."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx2
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY

from gatehouse_server.app import protect
from gatehouse_server.auth.permission_table import PermissionTable
from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.serving.metrics import Metrics
from gatehouse_server.serving.settings import Settings
from tests.server.token_issuer import JWKS_URL, settings

Era = Literal["legacy", "modern"]
ERAS: tuple[Era, ...] = ("legacy", "modern")
REVISIONS = {"legacy": "2025-11-25", "modern": "2026-07-28"}
ORIGIN = "http://localhost:5555"
NAMES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


@asynccontextmanager
async def protected(
    server: Any,
    tenant: Callable[[httpx2.Request], httpx2.Response],
    *,
    config: Settings | None = None,
    permissions: PermissionTable | None = None,
    implies: Mapping[str, Iterable[str]] | None = None,
    metrics: Metrics | None = None,
    sessions: bool = False,
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the server behind the gate. `tenant` answers the key requests."""
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(tenant))
    keys = SigningKeys(JWKS_URL, "RS256", http=http)
    app = protect(
        server,
        config or settings(),
        permissions=permissions,
        implies=implies,
        metrics=metrics,
        keys=keys,
        sessions=sessions,
    )
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN) as client,
    ):
        yield client


def message(method: str, params: Mapping[str, Any] | None = None, era: Era = "legacy") -> dict[str, Any]:
    """A JSON-RPC request of that protocol era."""
    given = dict(params or {})
    if era == "modern":
        envelope = {PROTOCOL_VERSION_META_KEY: REVISIONS[era], CLIENT_CAPABILITIES_META_KEY: {}}
        given["_meta"] = {**envelope, **given.get("_meta", {})}
    return {"jsonrpc": "2.0", "id": 1, "method": method, **({"params": given} if given else {})}


def headers_of(body: Mapping[str, Any], era: Era, token: str | None) -> dict[str, str]:
    """The headers for the message."""
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": REVISIONS[era]}
    if era == "modern":
        headers["Mcp-Method"] = body["method"]
        name = body.get("params", {}).get(NAMES.get(body["method"]))
        headers |= {"Mcp-Name": name} if isinstance(name, str) else {}
    return headers | ({"Authorization": f"Bearer {token}"} if token is not None else {})


async def ask(
    client: httpx2.AsyncClient,
    token: str | None,
    method: str = "tools/list",
    params: Mapping[str, Any] | None = None,
    *,
    era: Era = "legacy",
    **headers: str,
) -> httpx2.Response:
    """Send one request. `headers` are added, with underscores for hyphens."""
    body = message(method, params, era)
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/mcp", headers={**headers_of(body, era, token), **more}, json=body)
