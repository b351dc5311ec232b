"""Composition of the protected ASGI app from an MCP server and its settings."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .adapters.asgi import lifespan_of
from .adapters.catalogue import Catalogue
from .adapters.choice import adapter_for
from .adapters.host import Guard
from .adapters.lists import ListFilter
from .auth.audit import AuditTrail, audit_to_logger
from .auth.caller_cache import CallerCache
from .auth.challenge import Challenges
from .auth.gate import Gate
from .auth.introspection import Introspection
from .auth.keys import KeysUnavailable, SigningKeys
from .auth.metadata import WELL_KNOWN as RESOURCE_AT_ROOT
from .auth.metadata import metadata_routes, metadata_url
from .auth.permission_table import PermissionTable
from .auth.permissions import Hierarchy
from .auth.profiles import Profile
from .auth.streams import Stop, Streams
from .auth.tenant_metadata import TenantMetadata, slash_warning, tenant_metadata_routes
from .auth.tokens import TokenVerifier
from .serving.health import health_routes
from .serving.metrics import Metrics
from .serving.settings import Settings

if TYPE_CHECKING:
    from fastmcp import FastMCP

logger = logging.getLogger(__name__)

CORS_ANSWER_HEADERS = ("WWW-Authenticate", "MCP-Session-Id", "Retry-After", "X-Request-Id")


class ProtectedApp(Starlette):
    """A protected server as an ASGI app.

    Attributes:
        well_known: the routes of its metadata. Clients look for them at the root of the origin, so an app that mounts
            this one must also have them.
        catalogue: the permissions of what the server offers.
    """

    well_known: list[BaseRoute]
    catalogue: Catalogue


def protect(
    server: MCPServer | Server[Any] | FastMCP[Any] | ASGIApp,
    settings: Settings,
    *,
    permissions: PermissionTable | str | Path | None = None,
    implies: Mapping[str, Iterable[str]] | None = None,
    metrics: Metrics | None = None,
    keys: SigningKeys | None = None,
    introspection: Introspection | None = None,
    trail: AuditTrail = audit_to_logger,
    sessions: bool = False,
) -> ProtectedApp:
    """The finished ASGI app: the server over streamable HTTP, behind the gate.

    Every route of the server (the MCP endpoint and custom routes) is behind the gate. Only the probes and the metadata
    that tells clients where to sign in need no token. The server object itself is not changed.

    Args:
        server: the MCP SDK's `MCPServer` or low-level `Server`, or FastMCP's `FastMCP`, whose tools, resources and
            prompts state their permissions with `requires`; or any ASGI app that speaks MCP over streamable HTTP, with
            its MCP endpoint at the path of `MCP_PUBLIC_URL`.
        permissions: a table, or the path of its YAML file, for what `requires` does not state; by default the file
            `PERMISSIONS_FILE`.
        implies: which permission implies which others, such as `{"time:admin": ["time:convert"]}`.
        metrics: counts the decisions. The caller may serve its registry.
        keys: the tenant's signing keys; by default `tenant_keys(settings)`.
        introspection: asks the provider about opaque tokens; by default as the settings say.
        trail: called with the record of every decision; by default the logger `gatehouse.audit`.
        sessions: keep sessions for clients of revisions before 2026-07-28, so that tools can ask them something
            (sampling, elicitation, roots) and log to them. A session belongs to the caller that opened it and to one
            process: with replicas, the load balancer must send its requests to that process. Without sessions (the
            default) the server keeps no state. An ASGI app decides itself.

    Raises:
        TypeError: the server is of no known kind.
        ValueError: the server has its own authorization.
        TableError, SettingsError: the table is wrong.
        UnsupportedRelease: an installed package is not supported.
    """
    metrics = metrics or Metrics()
    keys = keys or tenant_keys(settings, on_fetch=metrics.count_key_fetch)
    introspection = introspection or _introspection(settings)
    table = PermissionTable.read(permissions) if isinstance(permissions, str | Path) else permissions
    table = table or settings.permission_table()
    adapter = adapter_for(server)
    catalogue = Catalogue(adapter, [settings.required_permission], table)
    hierarchy = Hierarchy(_merged(table.implies if table else {}, implies or {}))
    profile = settings.token_profile()
    stop = Stop()
    served = adapter.serve(
        Guard(
            catalogue,
            ListFilter(catalogue, hierarchy, profile),
            TransportSecuritySettings(allowed_hosts=settings.hosts(), allowed_origins=settings.origins()),
            settings.mcp_path,
            sessions,
        )
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
    streams = Streams(stop)

    def gate(app: ASGIApp) -> Gate:
        return Gate(
            app,
            callers=callers,
            catalogue=catalogue,
            challenges=challenges,
            metrics=metrics,
            trail=trail,
            streams=streams,
        )

    well_known, check = public_metadata(settings, keys, advertised_scopes(profile, catalogue))
    others = [Route(path, gate(served.others)) for path in served.other_paths if served.others is not None]
    app = ProtectedApp(
        routes=[*health_routes(keys), *well_known, *others],
        middleware=[
            _cors(settings.origins()),
            Middleware(_McpEndpointFirst, path=settings.mcp_path, endpoint=gate(served.endpoint)),
        ],
        lifespan=_lifespan(served.run, stop, keys, introspection, check),
    )
    # A redirect would go to the scheme of the request, which is http behind a TLS proxy.
    app.router.redirect_slashes = False
    # The root form would be ambiguous beside other servers.
    app.well_known = [route for route in well_known if route.path.rstrip("/") != RESOURCE_AT_ROOT]
    app.catalogue = catalogue
    return app


def run_together(*apps: ASGIApp) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """The lifespan of an app that mounts these apps: Starlette and FastAPI do not run the lifespans of mounted apps."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as running:
            for app in apps:
                await running.enter_async_context(lifespan_of(app))
            yield

    return lifespan


class _AllPermissions(Protocol):
    async def all_permissions(self) -> frozenset[str]: ...


def advertised_scopes(profile: Profile, catalogue: _AllPermissions) -> Callable[[], Awaitable[list[str]]]:
    """Every scope that a client could request for the server."""

    async def scopes() -> list[str]:
        return [*profile.always, *profile.scopes_for(await catalogue.all_permissions())]

    return scopes


def public_metadata(
    settings: Settings, keys: SigningKeys, scopes: Callable[[], Awaitable[Iterable[str]]]
) -> tuple[list[Route], Callable[[], Awaitable[None]]]:
    """The routes of the metadata that tells clients where to sign in, and a check of its values to run at the start."""
    tenant = TenantMetadata(keys, settings.tenant_metadata_url, settings.issuer)

    async def check() -> None:
        audience = slash_warning("audience", settings.audience, settings.public_url, "the server's URL")
        for warning in filter(None, (audience, await tenant.slash_warning())):
            logger.warning(warning)

    resource = metadata_routes(settings.public_url, settings.issuer, scopes)
    return [*resource, *tenant_metadata_routes(tenant, scopes)], check


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
    """Calls the MCP endpoint before all routing, because nearly every request is for it.

    A path with one slash more is the same: many clients and proxies add it.
    """

    def __init__(self, app: ASGIApp, path: str, endpoint: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._forms = frozenset({path, path.rstrip("/"), path.rstrip("/") + "/"})
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"] == self._path:
                await self._endpoint(scope, receive, send)
                return
            # A proxy that removes a prefix, or an app that mounts this one, may say so in root_path.
            for prefix in ("", scope.get("root_path", "")):
                if scope["path"].removeprefix(prefix) in self._forms:
                    path = prefix + self._path
                    scope = {**scope, "path": path, "raw_path": path.encode()}
                    await self._endpoint(scope, receive, send)
                    return
        await self._app(scope, receive, send)


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
    run: Callable[[], AbstractAsyncContextManager[None]],
    stop: Stop,
    keys: SigningKeys,
    introspection: Introspection | None,
    check: Callable[[], Awaitable[None]],
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    async def warm() -> None:
        with contextlib.suppress(KeysUnavailable):
            await keys.warm()
            await check()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # The tenant may start later than the server: the first fetch must not delay the start.
        warming = asyncio.create_task(warm())
        async with run():
            yield
            stop.set()
        await keys.aclose()
        await warming
        if introspection is not None:
            await introspection.aclose()

    return lifespan


def _merged(*implied: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    merged: dict[str, frozenset[str]] = {}
    for mapping in implied:
        for broad, narrow in mapping.items():
            merged[broad] = merged.get(broad, frozenset()).union(narrow)
    return merged
