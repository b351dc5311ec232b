"""The example server: its tools, protected, and the other API that one of them calls."""

from __future__ import annotations

from collections.abc import Callable

from mcp.server.mcpserver import MCPServer
from mcp.server.request_state import RequestStateSecurity
from starlette.routing import Mount

from gatehouse_server import (
    AuditTrail,
    Metrics,
    ProtectedApp,
    Settings,
    SigningKeys,
    TokenExchange,
    TokenVerifier,
    audit_to_logger,
    http_client,
    protect,
    tenant_keys,
)

from .calendar_api import calendar_app
from .tools import booking, clock, identity, slow
from .tools.calendar import CalendarTools

IMPLIED = {"time:admin": ["time:convert", "time:zones"]}
"""Which permission implies which others."""


def example_server(settings: Settings, metrics: Metrics | None = None) -> MCPServer:
    """An MCP server with the example tools, not yet protected. `metrics` counts its token exchanges."""
    mcp = MCPServer(
        "gatehouse",
        instructions="Tells the time, converts it, and says who is asking.",
        request_state_security=_request_state(settings),
    )
    for module in (clock, identity, slow, booking):
        module.register(mcp)
    if settings.exchange_client_id and settings.exchange_client_secret:
        secret = settings.exchange_client_secret.get_secret_value()
        counted = metrics.count_exchange if metrics else lambda outcome: None
        _calendar_tools(settings, secret, counted).register(mcp)
    return mcp


def example_app(
    settings: Settings,
    metrics: Metrics | None = None,
    keys: SigningKeys | None = None,
    trail: AuditTrail = audit_to_logger,
) -> ProtectedApp:
    """The ASGI app: the example server behind the gate, and the calendar API at `/calendar`."""
    keys = keys or tenant_keys(settings, **({"on_fetch": metrics.count_key_fetch} if metrics else {}))
    app = protect(example_server(settings, metrics), settings, implies=IMPLIED, metrics=metrics, keys=keys, trail=trail)
    calendar = TokenVerifier(
        keys,
        issuer=settings.issuer,
        audience=settings.calendar_audience,
        algorithm=settings.algorithm,
        profile=settings.token_profile(settings.calendar_audience),
    )
    app.router.routes.append(Mount("/calendar", calendar_app(calendar)))
    return app


def _calendar_tools(settings: Settings, secret: str, on_exchange: Callable[[str], None]) -> CalendarTools:
    authorities = settings.authorities()
    return CalendarTools(
        TokenExchange(
            settings.token_url,
            settings.exchange_client_id,
            secret,
            http=http_client(authorities),
            on_exchange=on_exchange,
        ),
        http_client(authorities),
        settings.calendar_url,
        settings.calendar_audience,
    )


def _request_state(settings: Settings) -> RequestStateSecurity:
    # Without a shared secret each process encrypts with its own key: correct for one process, wrong for replicas.
    if settings.request_state_secret is None:
        return RequestStateSecurity.ephemeral()
    return RequestStateSecurity(keys=[settings.request_state_secret.get_secret_value()])
