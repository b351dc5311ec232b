"""Composition: a protected ASGI app from an MCP server and its settings."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

from .challenge import Challenges
from .gate import Gate
from .health import health_routes
from .keys import KeysUnavailable, SigningKeys
from .metadata import metadata_routes, metadata_url
from .settings import Settings
from .tokens import TokenVerifier

CORS_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Accept",
    "MCP-Protocol-Version",
    "MCP-Session-Id",
    "Mcp-Method",
    "Mcp-Name",
    "Last-Event-ID",
)
CORS_ANSWER_HEADERS = ("WWW-Authenticate", "MCP-Session-Id", "Retry-After")


def protect(mcp: MCPServer, settings: Settings, *, keys: SigningKeys | None = None) -> Starlette:
    """The finished ASGI app: `mcp` over streamable HTTP, behind the gate.

    Every route of the MCP SDK's own app (the MCP endpoint and `mcp.custom_route` ones) is behind the gate; only the
    probes and the RFC 9728 metadata are open.
    """
    keys = keys or SigningKeys(settings.jwks_url, settings.algorithm)
    verifier = TokenVerifier(keys, issuer=settings.issuer, audience=settings.audience, algorithm=settings.algorithm)
    required = [settings.required_permission]
    inner = mcp.streamable_http_app(
        streamable_http_path=settings.mcp_path,
        json_response=True,
        stateless_http=True,
        transport_security=TransportSecuritySettings(
            allowed_hosts=settings.hosts(), allowed_origins=settings.origins()
        ),
    )
    gate = Gate(
        inner,
        verifier=verifier,
        challenges=Challenges(metadata_url(settings.public_url)),
        required=required,
        resource=settings.public_url,
    )
    protected = [Route(route.path, gate) for route in inner.routes if isinstance(route, Route)]
    return Starlette(
        routes=[
            *health_routes(keys),
            *metadata_routes(settings.public_url, settings.issuer, required),
            *protected,
            *_trailing_slash(settings),
        ],
        middleware=[_cors(settings.origins())],
        lifespan=_lifespan(inner, keys),
    )


def _trailing_slash(settings: Settings) -> list[Route]:
    # The SDK would redirect to the URL that it was called by, which behind a TLS proxy is an http one.
    async def to_public_url(_: Request) -> RedirectResponse:
        return RedirectResponse(settings.public_url, 307)

    if settings.mcp_path.endswith("/"):
        return []
    return [Route(settings.mcp_path + "/", to_public_url, methods=["GET", "POST", "DELETE"])]


def _cors(origins: list[str]) -> Middleware:
    patterns = [re.escape(origin).replace(r":\*", r":\d+") for origin in origins]
    return Middleware(
        CORSMiddleware,
        allow_origin_regex="|".join(patterns),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=CORS_REQUEST_HEADERS,
        expose_headers=CORS_ANSWER_HEADERS,
    )


def _lifespan(inner: Starlette, keys: SigningKeys) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    async def warm() -> None:
        with contextlib.suppress(KeysUnavailable):
            await keys.warm()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # The tenant may come up later than the server: the first fetch must not hold up the start.
        warming = asyncio.create_task(warm())
        async with inner.router.lifespan_context(inner):
            yield
        await warming
        await keys.aclose()

    return lifespan
