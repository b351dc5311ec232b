"""The example server: its tools, protected, and the other API that one of them calls."""

from __future__ import annotations

import logging
from collections.abc import Callable

from mcp.server.mcpserver import MCPServer
from mcp.server.request_state import RequestStateSecurity
from starlette.routing import Mount

from gatehouse_server import (
    AuditTrail,
    Metrics,
    ProtectedApp,
    SigningKeys,
    TokenExchange,
    TokenVerifier,
    audit_to_logger,
    http_client,
    load_settings,
    protect,
    tenant_keys,
)

from .calendar_api import calendar_app
from .settings import ExampleSettings
from .tools import booking, clock, identity, slow
from .tools.calendar import CalendarTools

logger = logging.getLogger(__name__)
IMPLIED = {"time:admin": ["time:convert", "time:zones"]}
"""Which permission implies which others."""


def example_server(settings: ExampleSettings | None = None, metrics: Metrics | None = None) -> MCPServer:
    """An MCP server with the example tools, not yet protected.

    Args:
        settings: the calendar, and the secrets that replicas share; by default there is neither.
        metrics: counts the token exchanges.
    """
    # Without a shared secret each process encrypts with its own key: correct for one process, wrong for replicas.
    keys = settings.request_state_keys if settings else []
    mcp = MCPServer(
        "gatehouse",
        instructions="Tells the time, converts it, and says who is asking.",
        request_state_security=RequestStateSecurity(keys=keys) if keys else RequestStateSecurity.ephemeral(),
    )
    for module in (clock, identity, slow, booking):
        module.register(mcp)
    if settings and settings.exchange_client_id and settings.exchange_client_secret:
        secret = settings.exchange_client_secret.get_secret_value()
        counted = metrics.count_exchange if metrics else lambda outcome: None
        _calendar_tools(settings, secret, counted).register(mcp)
    return mcp


def example_app(
    settings: ExampleSettings,
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


def configured_app(metrics: Metrics | None = None, trail: AuditTrail = audit_to_logger) -> ProtectedApp:
    """The ASGI app with the settings of the environment.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    settings = load_settings(ExampleSettings)
    if settings.warning:
        logger.warning(settings.warning)
    return example_app(settings, metrics, trail=trail)


def _calendar_tools(settings: ExampleSettings, secret: str, on_exchange: Callable[[str], None]) -> CalendarTools:
    authorities = settings.authorities()
    return CalendarTools(
        TokenExchange(
            settings.exchange_url,
            settings.exchange_client_id,
            secret,
            http=http_client(authorities),
            on_exchange=on_exchange,
        ),
        http_client(authorities),
        settings.events_url,
        settings.calendar_audience,
    )
