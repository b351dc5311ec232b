"""Composition of the protected ASGI app from an MCP server and its settings."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from .adapters.asgi import lifespan_of
from .adapters.catalogue import Catalogue
from .adapters.choice import adapter_for
from .adapters.host import Guard
from .adapters.lists import ListFilter
from .auth.audit import AuditTrail, audit_to_logger
from .auth.permission_table import PermissionTable
from .auth.provider.introspection import Introspection
from .auth.provider.keys import SigningKeys
from .composition import Composition, ProtectedApp
from .serving.settings import Settings

if TYPE_CHECKING:
    from fastmcp import FastMCP

    from .serving.metrics import Metrics


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
        settings: the tenant, and the URL of the server.
        permissions: a table, or the path of its YAML file, for what `requires` does not state; by default the file
            `PERMISSIONS_FILE`.
        implies: which permission implies which others, such as `{"time:admin": ["time:convert"]}`.
        metrics: counts the decisions (extra `metrics`). The caller may serve its registry.
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
    table = PermissionTable.read(permissions) if isinstance(permissions, str | Path) else permissions
    table = table or settings.permission_table()
    implied = _merged(table.implies if table else {}, implies or {})
    parts = Composition(settings, implied, metrics=metrics, keys=keys, introspection=introspection, trail=trail)
    adapter = adapter_for(server)
    catalogue = Catalogue(adapter, [settings.required_permission], table)
    lists = ListFilter(catalogue, parts.hierarchy, parts.profile)
    served = adapter.serve(Guard(catalogue, lists, parts.security, settings.mcp_path, sessions))
    others = [
        Route(path, parts.gate(served.others, catalogue)) for path in served.other_paths if served.others is not None
    ]
    return parts.app(
        parts.gate(served.endpoint, catalogue, streams_any=served.streams_any), catalogue, served.run, others
    )


def run_together(*apps: ASGIApp) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """The lifespan of an app that mounts these apps: Starlette and FastAPI do not run the lifespans of mounted apps.

    Args:
        apps: ASGI apps, such as those of `protect`. They start in this order and stop in the reverse one.

    Returns:
        The `lifespan` for `Starlette(...)` or `FastAPI(...)`.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as running:
            for app in apps:
                await running.enter_async_context(lifespan_of(app))
            yield

    return lifespan


def _merged(*implied: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    merged: dict[str, frozenset[str]] = {}
    for mapping in implied:
        for broad, narrow in mapping.items():
            merged[broad] = merged.get(broad, frozenset()).union(narrow)
    return merged
