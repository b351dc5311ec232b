"""The console at the tenant's root. It is imported with its first request."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..http.deferred import Deferred
from ..web.activity_access import ConsoleAccess

__all__ = ["ConsoleAccess", "console_routes", "refuse_wrong_name"]


def console_routes(access: ConsoleAccess) -> list[Route]:
    def load() -> ASGIApp:
        from .routes import console

        return console(access)

    app = Deferred(load)
    return [Route(path, app, methods=["GET"]) for path in ("/", "/u/console/activity")]


def refuse_wrong_name(request: Request) -> Response:
    """The answer to a request under a name that is not the tenant's: a page for a browser, else a line of text."""
    from . import routes

    return routes.refuse_wrong_name(request)
