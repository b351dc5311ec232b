"""Composition of the protected ASGI app from an MCP server and its settings."""

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

from .adapters.mcpserver import Catalogue, OnDemandStreams, PermissionMiddleware
from .auth.audit import AuditTrail, audit_to_logger
from .auth.caller_cache import CallerCache
from .auth.challenge import Challenges
from .auth.gate import Gate
from .auth.introspection import Introspection
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
    introspection: Introspection | None = None,
    trail: AuditTrail = audit_to_logger,
    sessions: bool = False,
) -> Starlette:
    """The finished ASGI app: `mcp` over streamable HTTP, behind the gate.

    Every route of the MCP SDK's own app (the MCP endpoint and those of `mcp.custom_route`) is behind the gate. Only the
    probes and the RFC 9728 metadata need no token.

    Args:
        mcp: a server whose tools, resources and prompts state their permissions with `requires`.
        implies: which permission implies which others, such as `{"time:admin": ["time:convert"]}`.
        metrics: counts the decisions. The caller may serve its registry.
        keys: the tenant's signing keys; by default `tenant_keys(settings)`.
        introspection: asks the provider about opaque tokens; by default as the settings say.
        trail: called with the record of every decision; by default the logger `gatehouse.audit`.
        sessions: keep sessions for clients of revisions before 2026-07-28, so that tools can ask them something
            (sampling, elicitation, roots) and log to them. A session belongs to the caller that opened it and to one
            process: with replicas, the load balancer must send its requests to that process. Without sessions (the
            default) the server keeps no state.
    """
    metrics = metrics or Metrics()
    keys = keys or tenant_keys(settings, on_fetch=metrics.count_key_fetch)
    introspection = introspection or _introspection(settings)
    catalogue = Catalogue(mcp, [settings.required_permission])
    security = TransportSecuritySettings(allowed_hosts=settings.hosts(), allowed_origins=settings.origins())
    inner = mcp.streamable_http_app(streamable_http_path=settings.mcp_path, transport_security=security)
    manager = OnDemandStreams(mcp.session_manager.app, security, sessions=sessions)
    hierarchy = Hierarchy(implies)
    profile = settings.token_profile()
    mcp.middleware.append(PermissionMiddleware(catalogue, hierarchy, profile))

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
        introspection=introspection,
    )
    callers = CallerCache(verifier, resource=settings.public_url, hierarchy=hierarchy, on_lookup=metrics.count_lookup)
    challenges = Challenges(metadata_url(settings.public_url), profile)

    def scopes() -> list[str]:
        return [*profile.always, *profile.scopes_for(catalogue.all_permissions())]

    return Starlette(
        routes=[
            *health_routes(keys),
            *metadata_routes(settings.public_url, settings.issuer, scopes),
            *_trailing_slash(settings),
            *(Route(route.path, gate(inner)) for route in _custom_routes(inner, settings)),
        ],
        middleware=[
            _cors(settings.origins()),
            Middleware(_McpEndpointFirst, path=settings.mcp_path, endpoint=gate(manager.handle_request)),
        ],
        lifespan=_lifespan(mcp, manager, keys, introspection),
    )


def tenant_keys(settings: Settings, on_fetch: Callable[[str], None] = lambda outcome: None) -> SigningKeys:
    """The tenant's signing keys, from the URL in the settings or by the issuer's discovery document."""
    url, issuer = (settings.jwks_url, None) if settings.jwks_url else (settings.discovery_url, settings.issuer)
    authorities = settings.authorities()
    return SigningKeys(url, settings.algorithm, issuer=issuer, authorities=authorities, on_fetch=on_fetch)


def _introspection(settings: Settings) -> Introspection | None:
    secret = settings.introspection_client_secret
    if secret is None:
        return None
    return Introspection(
        settings.discovery_url,
        settings.issuer,
        settings.introspection_client_id,
        secret.get_secret_value(),
        authorities=settings.authorities(),
    )


class _McpEndpointFirst:
    """Calls the MCP endpoint before all routing, because nearly every request is for it."""

    def __init__(self, app: ASGIApp, path: str, endpoint: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_endpoint = scope["type"] == "http" and scope["path"] == scope.get("root_path", "") + self._path
        await (self._endpoint if is_endpoint else self._app)(scope, receive, send)


class _Cors(CORSMiddleware):
    """Starlette's, only for requests with an Origin: no answer is cacheable, so none needs `Vary: Origin`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (super().__call__ if _has_origin(scope) else self.app)(scope, receive, send)


def _has_origin(scope: Scope) -> bool:
    if scope["type"] == "http":
        for name, _ in scope["headers"]:  # much faster than any() with a generator
            if name == b"origin":
                return True
    return False


def _custom_routes(inner: Starlette, settings: Settings) -> list[Route]:
    return [route for route in inner.routes if isinstance(route, Route) and route.path != settings.mcp_path]


def _trailing_slash(settings: Settings) -> list[Route]:
    # The SDK would redirect to the URL of the request. Behind a TLS proxy that URL is http.
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
        # The origin decides. MCP has a header for each marked argument of a tool, so the names are not known.
        allow_headers=["*"],
        expose_headers=CORS_ANSWER_HEADERS,
    )


def _lifespan(
    mcp: MCPServer, manager: OnDemandStreams, keys: SigningKeys, introspection: Introspection | None
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    async def warm() -> None:
        with contextlib.suppress(KeysUnavailable):
            await keys.warm()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        leave_out_unused_spans(mcp)
        # The tenant may start later than the server: the first fetch must not delay the start.
        warming = asyncio.create_task(warm())
        async with manager.run():
            yield
        await keys.aclose()
        await warming
        if introspection is not None:
            await introspection.aclose()

    return lifespan
