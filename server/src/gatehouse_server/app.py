"""Composition: a protected ASGI app from an MCP server and its settings."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .adapters.catalogue import Catalogue
from .adapters.streams import OnDemandStreams
from .adapters.visibility import Visibility
from .auth import audit
from .auth.callers import Callers
from .auth.challenge import Challenges
from .auth.gate import Gate
from .auth.keys import KeysUnavailable, SigningKeys
from .auth.metadata import metadata_routes, metadata_url
from .auth.permissions import Hierarchy
from .auth.tokens import TokenVerifier
from .serving.health import health_routes
from .serving.metrics import Metrics
from .serving.settings import Settings
from .serving.telemetry import leave_out_unused_spans

CORS_ANSWER_HEADERS = ("WWW-Authenticate", "MCP-Session-Id", "Retry-After", "X-Request-Id")


def protect(
    mcp: MCPServer,
    settings: Settings,
    *,
    implies: Mapping[str, Iterable[str]] | None = None,
    metrics: Metrics | None = None,
    keys: SigningKeys | None = None,
    trail: audit.Trail = audit.to_logger,
    sessions: bool = False,
) -> Starlette:
    """The finished ASGI app: `mcp` over streamable HTTP, behind the gate.

    Every route of the MCP SDK's own app (the MCP endpoint and `mcp.custom_route` ones) is behind the gate; only the
    probes and the RFC 9728 metadata are open.

    Args:
        mcp: a server whose tools, resources and prompts state their permissions with `requires`.
        implies: which permission implies which others, such as `{"time:admin": ["time:convert"]}`.
        metrics: where decisions are counted; its registry can be served or scraped as the caller likes.
        keys: the tenant's signing keys, for tests; from `settings.jwks_url` unless given.
        trail: is told of every decision; the logger `gatehouse.audit` unless given.
        sessions: keep sessions for clients of revisions before 2026-07-28, so that tools can ask them something
            (sampling, elicitation, roots) and log to them. A session belongs to who opened it and lives in one process:
            with replicas the balancer must lead it there. Without them (the default) the server keeps nothing.
    """
    metrics = metrics or Metrics()
    keys = keys or tenant_keys(settings, on_fetch=metrics.count_key_fetch)
    catalogue = Catalogue(mcp, [settings.required_permission])
    security = TransportSecuritySettings(allowed_hosts=settings.hosts(), allowed_origins=settings.origins())
    inner = mcp.streamable_http_app(streamable_http_path=settings.mcp_path, transport_security=security)
    manager = OnDemandStreams(mcp.session_manager.app, security, sessions=sessions)
    hierarchy = Hierarchy(implies)
    profile = settings.token_profile()
    mcp.middleware.append(Visibility(catalogue, hierarchy, profile))

    def gate(app: ASGIApp) -> Gate:
        return Gate(
            app,
            callers=callers,
            catalogue=catalogue,
            challenges=challenges,
            metrics=metrics,
            trail=trail,
        )

    verifier = TokenVerifier(
        keys,
        issuer=settings.issuer,
        audience=settings.audience,
        algorithm=settings.algorithm,
        profile=profile,
    )
    callers = Callers(verifier, resource=settings.public_url, hierarchy=hierarchy, on_lookup=metrics.count_lookup)
    challenges = Challenges(metadata_url(settings.public_url))
    return Starlette(
        routes=[
            *health_routes(keys),
            *metadata_routes(settings.public_url, settings.issuer, catalogue.every),
            *_trailing_slash(settings),
            *(Route(route.path, gate(inner)) for route in _custom_routes(inner, settings)),
        ],
        middleware=[
            _cors(settings.origins()),
            Middleware(_Shortcut, path=settings.mcp_path, endpoint=gate(manager.handle_request)),
        ],
        lifespan=_lifespan(mcp, manager, keys),
    )


def tenant_keys(settings: Settings, on_fetch: Callable[[str], None] = lambda outcome: None) -> SigningKeys:
    """The signing keys that the settings name, by their URL or by the issuer's discovery document."""
    url, issuer = (settings.jwks_url, None) if settings.jwks_url else (settings.discovery_url, settings.issuer)
    authorities = settings.authorities()
    return SigningKeys(url, settings.algorithm, issuer=issuer, authorities=authorities, on_fetch=on_fetch)


class _Shortcut:
    """The MCP endpoint, ahead of all routing: nearly every request is for it."""

    def __init__(self, app: ASGIApp, path: str, endpoint: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        here = scope["type"] == "http" and scope["path"] == scope.get("root_path", "") + self._path
        await (self._endpoint if here else self._app)(scope, receive, send)


class _Cors(CORSMiddleware):
    """Starlette's, where there is an Origin: no answer here may be kept by a cache that would have to know of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (super().__call__ if _has_origin(scope) else self.app)(scope, receive, send)


def _has_origin(scope: Scope) -> bool:
    if scope["type"] == "http":
        for name, _ in scope["headers"]:  # far faster than any() of a generator
            if name == b"origin":
                return True
    return False


def _custom_routes(inner: Starlette, settings: Settings) -> list[Route]:
    return [route for route in inner.routes if isinstance(route, Route) and route.path != settings.mcp_path]


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
        _Cors,
        allow_origin_regex="|".join(patterns),
        allow_methods=["GET", "POST", "DELETE"],
        # Who may ask is decided by the origin; MCP has a header for each marked argument of a tool.
        allow_headers=["*"],
        expose_headers=CORS_ANSWER_HEADERS,
    )


def _lifespan(
    mcp: MCPServer, manager: OnDemandStreams, keys: SigningKeys
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    async def warm() -> None:
        with contextlib.suppress(KeysUnavailable):
            await keys.warm()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        leave_out_unused_spans(mcp)
        # The tenant may come up later than the server: the first fetch must not hold up the start.
        warming = asyncio.create_task(warm())
        async with manager.run():
            yield
        await keys.aclose()
        await warming

    return lifespan
