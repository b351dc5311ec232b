"""Middleware for all endpoints: the access log and the Host gate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from time import perf_counter
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..formats.urls import is_loopback_name

logger = logging.getLogger(__name__)
# In the scope of a request: the names in it that the tenant ignores.
NOT_PLAYED = "mock_idp.not_played"

QUIET_PATHS = frozenset({"/livez", "/u/console/activity"})


class AccessLog:
    """One line per request. It has the path without the query, because queries contain codes and tokens."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET_PATHS:
            await self.app(scope, receive, send)
            return
        status, began = 500, perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            milliseconds = (perf_counter() - began) * 1000
            ignored = scope.get(NOT_PLAYED) or ()
            # %r prevents a path or a name with line breaks from forging a line.
            more = f" not played: {', '.join(map(repr, ignored))}" if ignored else ""
            logger.info("%s %r %d %.0fms%s", scope["method"], scope["path"], status, milliseconds, more)


class HostGate:
    """Answers only requests whose Host is a name of this tenant. This prevents DNS rebinding on every path.

    A web page can give its own host name the address of this machine, and is then of the same origin as the tenant.
    Its requests still have that name in Host. The names of the tenant are those of this machine (localhost, 127.0.0.1,
    ::1) and `names`: the public host, also that of a proxy, and the names under which containers reach the tenant.
    `refuse` answers the other requests.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], refuse: Callable[[Request], Response]) -> None:
        self.app = app
        self.names = frozenset(name.lower() for name in names)
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_a_name_of_the_tenant(scope):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        logger.info("refused: Host %r is no name of this tenant", request.headers.get("host", ""))
        await self.refuse(request)(scope, receive, send)

    def _is_a_name_of_the_tenant(self, scope: Scope) -> bool:
        # Two Host headers could mean two names to two programs.
        sent = [value for name, value in scope["headers"] if name == b"host"]
        name = host_name(sent[0].decode("latin-1")) if len(sent) == 1 else ""
        return name in self.names or is_loopback_name(name)


def host_name(host: str) -> str:
    """The name in a Host header, without the port and in lower case; empty if it is none."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname or "", parts.port
    except ValueError:
        return ""
    return name if parts.netloc == host and "@" not in host else ""
