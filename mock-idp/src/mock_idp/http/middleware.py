"""Middleware for all endpoints: the access log."""

from __future__ import annotations

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
