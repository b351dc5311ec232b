"""The gate in front of an upstream, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml
from starlette.applications import Starlette

from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.serving.metrics import Metrics
from gatehouse_server.serving.upstream_settings import UpstreamSettings
from gatehouse_server.upstream import protect_upstream
from tests.server.protected_server import ORIGIN
from tests.server.token_issuer import JWKS_URL, Issuer, settings
from tests.server.upstream.in_process import InProcess

UPSTREAM = "http://tools.internal:8000/mcp"
TABLE: dict[str, dict[str, Any]] = {
    "tools": {"open": [], "read": "shop:read", "write": ["shop:read", "shop:write"]},
    "prompts": {"open": [], "read": "shop:read"},
    "resources": {"shop://open": [], "shop://read": "shop:read", "shop://items/{item}": "shop:read"},
    "implies": {"shop:admin": ["shop:read", "shop:write"]},
}


def upstream_settings(**variables: str) -> UpstreamSettings:
    """Settings of upstream mode, as if read from the environment."""
    given = {"UPSTREAM_URL": UPSTREAM, **variables}
    return UpstreamSettings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]


def gate_app(
    transport: httpx2.AsyncBaseTransport | None,
    issuer: Issuer,
    folder: Path,
    *,
    table: Mapping[str, Any] | None = None,
    variables: Mapping[str, str] | None = None,
    metrics: Metrics | None = None,
    **upstream: str,
) -> Starlette:
    """The gate in front of what `transport` reaches.

    Args:
        transport: None for a real connection.
        table: the permissions; `TABLE` by default.
        variables: of the server.
        upstream: variables of upstream mode.
    """
    file = folder / "permissions.yaml"
    file.write_text(yaml.safe_dump(dict(TABLE if table is None else table)), encoding="utf-8")
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    return protect_upstream(
        settings(PERMISSIONS_FILE=str(file), **(variables or {})),
        upstream_settings(**upstream),
        metrics=metrics,
        keys=SigningKeys(JWKS_URL, "RS256", http=http),
        transport=transport,
    )


@asynccontextmanager
async def client_of(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client of a gate in this process. Answers come as they are sent."""
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=InProcess(app), base_url=ORIGIN) as client,
    ):
        yield client


class Upstream:
    """A hand-written upstream: it records every request, and answers with `answer`."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []
        self.answer: Callable[[httpx2.Request], httpx2.Response] = lambda _: result({"done": True})
        self.transport = httpx2.MockTransport(self._handle)

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.answer(request)


def result(value: Mapping[str, Any], **headers: str) -> httpx2.Response:
    """An answer with a JSON-RPC result."""
    return httpx2.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": value}, headers=headers)
