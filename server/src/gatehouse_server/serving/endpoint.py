"""The MCP endpoint in the app: before all routing, and with CORS for browsers."""

from __future__ import annotations

import re

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

CORS_ANSWER_HEADERS = ("WWW-Authenticate", "MCP-Session-Id", "Retry-After", "X-Request-Id")


class McpEndpointFirst:
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


def cors(origins: list[str]) -> Middleware:
    """CORS for these origins. Each may end with `:*`, for any port."""
    patterns = [re.escape(origin).replace(r":\*", r":\d+") for origin in origins]
    return Middleware(
        _Cors,
        allow_origin_regex="|".join(patterns),
        allow_methods=["GET", "POST", "DELETE"],
        # The origin decides. MCP has a header for each marked argument of a tool, so the names are not known.
        allow_headers=["*"],
        expose_headers=CORS_ANSWER_HEADERS,
    )
