"""The console: a page at the tenant's root that shows its configuration and its activity."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..pages.languages import language_of
from ..pages.models import Page
from ..pages.policy import content_security_policy
from ..pages.rendering import render
from ..web.request import idp_of, issuer_of
from .access import ConsoleAccess, is_from_user
from .activity import Activity, activity, revision
from .overview import Overview, overview

__all__ = ["ConsoleAccess", "console_routes", "refuse_wrong_name"]

Endpoint = Callable[[Request], Awaitable[Response]]
DOCUMENTS = (
    ".well-known/openid-configuration",
    ".well-known/oauth-authorization-server",
    ".well-known/jwks.json",
)
WRONG_NAME = (
    "The Host of this request is no name of this tenant. Use {issuer} as the address, or add the name to "
    "MOCK_IDP_ALLOWED_HOSTS.\n"
)


@dataclass(frozen=True)
class ConsolePage(Page):
    """`activity` is None if access to it is refused. `overview` is None if the console is off."""

    issuer: str
    documents: tuple[str, ...]
    overview: Overview | None
    activity: Activity | None
    template: ClassVar[str] = "console.html"

    @property
    def policy(self) -> str:
        updates = self.activity is not None
        return content_security_policy(form_action="'none'", scripts=updates, fetches=updates)


@dataclass(frozen=True)
class ActivityPage(Page):
    """The part of the console that its script updates."""

    activity: Activity
    template: ClassVar[str] = "_activity.html"


@dataclass(frozen=True)
class RefusedPage(Page):
    """The page of a refused request."""

    reason: Literal["wrong_name", "other_site"]
    issuer: str
    template: ClassVar[str] = "console_refused.html"


def console_routes(access: ConsoleAccess) -> list[Route]:
    return [
        Route("/", _home(access), methods=["GET"]),
        Route("/u/console/activity", _activity(access), methods=["GET"]),
    ]


def _home(access: ConsoleAccess) -> Endpoint:
    async def home(request: Request) -> Response:
        if refusal := _refusal(request):
            return refusal
        idp, issuer = idp_of(request), issuer_of(request)
        page = ConsolePage(
            issuer,
            tuple(f"{issuer}{path}" for path in DOCUMENTS),
            overview(idp) if access.mode != "off" else None,
            activity(idp, language_of(request)) if access.shows_activity(request) else None,
        )
        return render(request, page)

    return home


def _activity(access: ConsoleAccess) -> Endpoint:
    async def show_activity(request: Request) -> Response:
        """The answer to the console's script. It is 204 if there is no change."""
        if refusal := _refusal(request):
            return refusal
        if not access.shows_activity(request):
            return PlainTextResponse("Not Found", status_code=404)
        idp = idp_of(request)
        if request.query_params.get("revision") == revision(idp):
            return Response(status_code=204, headers={"Cache-Control": "no-store"})
        return render(request, ActivityPage(activity(idp, language_of(request))))

    return show_activity


def refuse_wrong_name(request: Request) -> Response:
    """The answer to a request under a name that is not the tenant's: a page for a browser, else a line of text."""
    if "text/html" in request.headers.get("accept", ""):
        return render(request, RefusedPage("wrong_name", issuer_of(request)), status=421)
    return PlainTextResponse(WRONG_NAME.format(issuer=issuer_of(request)), status_code=421)


def _refusal(request: Request) -> Response | None:
    if not is_from_user(request):
        return render(request, RefusedPage("other_site", issuer_of(request)), status=403)
    return None
