"""Composition of the gate in front of a server in another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .adapters.upstream.catalogue import CarefulTable, PermissionSource, UpstreamCatalogue
from .adapters.upstream.checks import RequestChecks
from .adapters.upstream.forwarder import Forwarder, UpstreamLimits
from .adapters.upstream.identity import KEY_SET_PATH, GateKeys, identity
from .adapters.upstream.sessions import Sessions
from .adapters.upstream.stated import ListFailed, StatedByUpstream, lists_of
from .app import _cors, _introspection, _lifespan, _McpEndpointFirst, advertised_scopes, tenant_keys
from .auth.audit import AuditTrail, audit_to_logger
from .auth.caller_cache import CallerCache
from .auth.challenge import Challenges
from .auth.gate import Gate
from .auth.keys import SigningKeys
from .auth.metadata import metadata_routes, metadata_url
from .auth.outgoing import transport_to
from .auth.permission_table import PermissionTable
from .auth.permissions import Hierarchy
from .auth.streams import Stop, Streams
from .auth.tokens import TokenVerifier
from .serving.health import health_routes
from .serving.metrics import Metrics
from .serving.settings import Settings, SettingsError
from .serving.upstream_settings import UpstreamSettings

REQUESTS_OF_ONE_SUBJECT = 64
"""Running requests and open streams."""

READY_SECONDS = 2.0
"""How long the last look at the upstream counts for `/readyz`, which anybody may ask."""

# The upstream closes idle connections after 5 s by default (uvicorn, Node). The gate must be first: a request on a
# connection that ends at the same moment is lost, and must not be repeated.
_CONNECTIONS = httpx2.Limits(max_connections=1024, max_keepalive_connections=256, keepalive_expiry=4.0)


def protect_upstream(
    settings: Settings,
    upstream: UpstreamSettings,
    *,
    metrics: Metrics | None = None,
    keys: SigningKeys | None = None,
    trail: AuditTrail = audit_to_logger,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Starlette:
    """The finished ASGI app: the server at `UPSTREAM_URL` behind the gate.

    Args:
        metrics: counts the decisions. The caller may serve its registry.
        keys: the tenant's signing keys; by default `tenant_keys(settings)`.
        trail: called with the record of every decision.
        transport: sends the requests to the upstream.

    Raises:
        SettingsError: a file is wrong, or nothing states the permissions.
    """
    metrics = metrics or Metrics()
    keys = keys or tenant_keys(settings, on_fetch=metrics.count_key_fetch)
    gate_keys = _gate_keys(upstream)
    table = settings.permission_table()
    transport = transport or transport_to(upstream.url, settings.authorities(), _CONNECTIONS)
    who = identity(upstream.identity, gate_keys, settings.public_url, upstream.audience or upstream.url)
    stated = StatedByUpstream(lists_of(upstream.url, transport, who)) if upstream.trusts_meta else None
    catalogue = _catalogue(settings, table, stated)
    hierarchy = Hierarchy(table.implies if table is not None else None)
    profile = settings.token_profile()
    sessions = Sessions(gate_keys.secrets("gatehouse upstream sessions"))
    forwarder = Forwarder(
        upstream.url,
        transport,
        catalogue=catalogue,
        sessions=sessions,
        identity=who,
        hierarchy=hierarchy,
        profile=profile,
        trusts_meta=upstream.trusts_meta,
        limits=UpstreamLimits(answer_seconds=upstream.timeout, requests_of_one_subject=REQUESTS_OF_ONE_SUBJECT),
    )
    introspection = _introspection(settings)
    stop = Stop()
    security = TransportSecuritySettings(allowed_hosts=settings.hosts(), allowed_origins=settings.origins())
    verifier = TokenVerifier(
        keys,
        issuer=settings.issuer,
        audience=settings.audience,
        algorithm=settings.algorithm,
        profile=profile,
        introspection=introspection,
    )
    gate = Gate(
        forwarder,
        callers=CallerCache(
            verifier, resource=settings.public_url, hierarchy=hierarchy, on_lookup=metrics.count_lookup
        ),
        catalogue=catalogue,
        challenges=Challenges(metadata_url(settings.public_url), profile),
        metrics=metrics,
        trail=trail,
        check=RequestChecks(sessions, security),
        streams=Streams(stop),
    )
    app = Starlette(
        routes=[
            *health_routes(keys, _remembered(forwarder.is_answering)),
            *metadata_routes(settings.public_url, settings.issuer, advertised_scopes(profile, catalogue)),
            *([_key_set(gate_keys)] if upstream.identity in ("assertion", "bearer") else []),
        ],
        middleware=[
            _cors(settings.origins()),
            Middleware(_McpEndpointFirst, path=settings.mcp_path, endpoint=gate),
        ],
        lifespan=_lifespan(lambda: _run(forwarder), stop, keys, introspection),
    )
    app.router.redirect_slashes = False
    return app


async def permissions_of(settings: Settings, upstream: UpstreamSettings) -> str:
    """The permissions of what the upstream offers, as a Markdown table.

    Raises:
        SettingsError: the file with them is wrong, none is set, or the upstream does not say them.
    """
    table, stated = settings.permission_table(), None
    if upstream.trusts_meta:
        transport = transport_to(upstream.url, settings.authorities(), _CONNECTIONS)
        who = identity(upstream.identity, _gate_keys(upstream), settings.public_url, upstream.audience or upstream.url)
        stated = StatedByUpstream(lists_of(upstream.url, transport, who))
        try:
            await stated.refresh()
        except ListFailed as error:
            raise SettingsError(
                f"UPSTREAM_URL is {upstream.url!r}: it does not list what it offers ({error})."
            ) from error
        finally:
            await transport.aclose()
    return _catalogue(settings, table, stated).table()


def _catalogue(settings: Settings, table: PermissionTable | None, stated: StatedByUpstream | None) -> UpstreamCatalogue:
    sources: list[PermissionSource] = [] if table is None else [CarefulTable(table)]
    sources += [] if stated is None else [stated]
    if not sources:
        raise SettingsError(
            "UPSTREAM_URL is set, but nothing states the permissions of its tools: set PERMISSIONS_FILE to a file such"
            ' as permissions.yaml (docs/upstream.md). The line `tools: {"*": []}` opens all tools to everybody with'
            f" {settings.required_permission}."
        )
    return UpstreamCatalogue([settings.required_permission], sources)


def _gate_keys(upstream: UpstreamSettings) -> GateKeys:
    if not upstream.key_file:
        return GateKeys.generated()
    try:
        return GateKeys.from_pem(Path(upstream.key_file).read_bytes())
    except OSError as error:
        problem = error.strerror or "it cannot be read"
    except ValueError as error:
        problem = str(error)
    raise SettingsError(
        f"UPSTREAM_KEY_FILE is {upstream.key_file!r}: {problem}. Valid is a file as made by"
        " `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`."
    )


def _key_set(gate_keys: GateKeys) -> Route:
    """The public keys, which the upstream verifies assertions with."""

    async def key_set(_: Request) -> JSONResponse:
        return JSONResponse(gate_keys.key_set(), headers={"Cache-Control": "public, max-age=300"})

    return Route(KEY_SET_PATH, key_set)


def _remembered(is_answering: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[str]]:
    """Asks at most once in `READY_SECONDS`, however often `/readyz` is asked."""
    asked_at, last = float("-inf"), ""
    lock = asyncio.Lock()

    async def problem() -> str:
        nonlocal asked_at, last
        async with lock:
            if time.monotonic() - asked_at >= READY_SECONDS:
                last = "" if await is_answering() else "The server behind the gate does not answer."
                asked_at = time.monotonic()
            return last

    return problem


@asynccontextmanager
async def _run(forwarder: Forwarder) -> AsyncIterator[None]:
    """The lifespan of the upstream's connections."""
    try:
        yield
    finally:
        await forwarder.aclose()
