"""Composition of the gate in front of a server in another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .adapters.upstream.catalogue import CarefulTable, PermissionSource, UpstreamCatalogue
from .adapters.upstream.checks import RequestChecks
from .adapters.upstream.forwarder import Forwarder, UpstreamLimits
from .adapters.upstream.identity import KEY_SET_PATH, Assertions, GateKeys, Identity, Nobody, identity
from .adapters.upstream.processes import Processes, ProcessLimits
from .adapters.upstream.sessions import Sessions
from .adapters.upstream.stated import ListFailed, StatedByUpstream, lists_of
from .adapters.upstream.stdio import URL as STDIO_URL
from .adapters.upstream.stdio import InProcess, StdioApp
from .auth.audit import AuditTrail, audit_to_logger
from .auth.permission_table import PermissionTable
from .auth.provider.keys import SigningKeys
from .auth.provider.outgoing import transport_to
from .composition import Composition, ProtectedApp
from .serving.settings import Settings, SettingsError
from .serving.upstream_settings import UpstreamSettings

if TYPE_CHECKING:
    from .serving.metrics import Metrics

REQUESTS_OF_ONE_SUBJECT = 64
"""Running requests and open streams."""

START_SECONDS = 30.0
"""How long a command may take until it answers."""

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
) -> ProtectedApp:
    """The finished ASGI app: the server at `UPSTREAM_URL`, or of `UPSTREAM_COMMAND`, behind the gate.

    Args:
        metrics: counts the decisions. The caller may serve its registry.
        keys: the tenant's signing keys; by default `tenant_keys(settings)`.
        trail: called with the record of every decision.
        transport: sends the requests to the upstream.

    Raises:
        SettingsError: a file is wrong, or nothing states the permissions.
    """
    gate_keys = _gate_keys(upstream)
    table = settings.permission_table()
    url, transport, who = _reached(settings, upstream, gate_keys, transport)
    stated = StatedByUpstream(lists_of(url, transport, who)) if upstream.trusts_meta else None
    catalogue = _catalogue(settings, table, stated)
    implied = table.implies if table is not None else None
    parts = Composition(settings, implied, metrics=metrics, keys=keys, introspection=None, trail=trail)
    sessions = Sessions(gate_keys.secrets("gatehouse upstream sessions"))
    forwarder = Forwarder(
        url,
        transport,
        catalogue=catalogue,
        sessions=sessions,
        identity=who,
        hierarchy=parts.hierarchy,
        profile=parts.profile,
        trusts_meta=upstream.trusts_meta,
        limits=UpstreamLimits(answer_seconds=upstream.timeout, requests_of_one_subject=REQUESTS_OF_ONE_SUBJECT),
    )
    return parts.app(
        parts.gate(forwarder, catalogue, RequestChecks(sessions, parts.security), streams_any=True),
        catalogue,
        lambda: _run(transport),
        [_key_set(gate_keys)] if isinstance(who, Assertions) else [],
        _remembered(forwarder.is_answering),
    )


async def permissions_of(settings: Settings, upstream: UpstreamSettings) -> str:
    """The permissions of what the upstream offers, as a Markdown table.

    Raises:
        SettingsError: the file with them is wrong, none is set, or the upstream does not say them.
    """
    table, stated = settings.permission_table(), None
    if upstream.trusts_meta:
        url, transport, who = _reached(settings, upstream, _gate_keys(upstream))
        stated = StatedByUpstream(lists_of(url, transport, who))
        async with transport:
            try:
                await stated.refresh()
            except ListFailed as error:
                raise SettingsError(f"The server behind the gate does not list what it offers: {error}.") from error
    return await _catalogue(settings, table, stated).table()


def _reached(
    settings: Settings,
    upstream: UpstreamSettings,
    gate_keys: GateKeys,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> tuple[str, httpx2.AsyncBaseTransport, Identity]:
    """The upstream's URL, the transport to it, and how it learns who asks."""
    if upstream.command:
        upstream.require_program()
        limits = ProcessLimits(
            processes=upstream.max_processes, idle_seconds=upstream.idle_seconds, start_seconds=START_SECONDS
        )
        processes = Processes(upstream.command, upstream.command_environment(), limits, folder=upstream.folder)
        return STDIO_URL, InProcess(StdioApp(processes, answer_seconds=upstream.timeout)), Nobody()
    transport = transport or transport_to(upstream.url, settings.authorities(), _CONNECTIONS)
    who = identity(upstream.identity, gate_keys, settings.public_url, upstream.audience or upstream.url)
    return upstream.url, transport, who


def _catalogue(settings: Settings, table: PermissionTable | None, stated: StatedByUpstream | None) -> UpstreamCatalogue:
    sources: list[PermissionSource] = [] if table is None else [CarefulTable(table)]
    sources += [] if stated is None else [stated]
    if not sources:
        raise SettingsError(
            "Nothing states the permissions of the tools of the server behind the gate: set PERMISSIONS_FILE to a file"
            ' such as permissions.yaml (docs/upstream.md). The line `tools: {"*": []}` opens all tools to everybody'
            f" with {settings.required_permission}."
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
async def _run(transport: httpx2.AsyncBaseTransport) -> AsyncIterator[None]:
    """The lifespan of the connections, or of the processes."""
    async with transport:
        yield
