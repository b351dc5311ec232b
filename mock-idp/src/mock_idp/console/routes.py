"""The console at the tenant's root: tabs that show its activity and its configuration, with filters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from ..pages.languages import Language, language_of
from ..pages.models import Page
from ..pages.policy import content_security_policy
from ..pages.rendering import render
from ..state.idp import Idp
from ..web.activity_access import ConsoleAccess
from ..web.request import idp_of, issuer_of
from .access import is_from_user
from .activity import event_list, request_list, revision, sign_in_list
from .overview import (
    api_list,
    check_list,
    client_list,
    connection_list,
    names_not_played,
    not_played_list,
    setting_list,
    user_list,
)
from .view import ACTIVITY, TABS, Listing, Tab, View, read_view

Endpoint = Callable[[Request], Awaitable[Response]]
DOCUMENTS = (
    ".well-known/openid-configuration",
    ".well-known/oauth-authorization-server",
    ".well-known/jwks.json",
)
# Lists with explanations, which are in the language of the page.
WORDED: Mapping[Tab, Callable[[Idp, View, Language], Listing[Any]]] = {"sign_ins": sign_in_list, "log": event_list}
LISTS: Mapping[Tab, Callable[[Idp, View], Listing[Any]]] = {
    "requests": request_list,
    "users": user_list,
    "clients": client_list,
    "apis": api_list,
    "connections": connection_list,
    "checks": check_list,
    "not_played": not_played_list,
    "settings": setting_list,
}
WRONG_NAME = (
    "The Host of this request is no name of this tenant. Use {issuer} as the address, or add the name to "
    "MOCK_IDP_ALLOWED_HOSTS.\n"
)


@dataclass(frozen=True)
class ConsolePage(Page):
    """`list` is what the tab shows: None if the console is off or hides it. `counts` are numbers beside tabs."""

    issuer: str
    documents: tuple[str, ...]
    view: View
    list: Listing[Any] | None
    hides_activity: bool
    counts: Mapping[Tab, int]
    missing_keywords: tuple[str, ...]
    revision: str
    tabs: ClassVar[tuple[Tab, ...]] = TABS
    template: ClassVar[str] = "console/page.html"

    @property
    def is_on(self) -> bool:
        return self.list is not None or self.hides_activity

    @property
    def shows_activity(self) -> bool:
        return self.list is not None and self.view.tab in ACTIVITY

    @property
    def policy(self) -> str:
        """The form of the filters leads to the console itself."""
        updates = self.shows_activity
        action = "'self'" if self.list is not None else "'none'"
        return content_security_policy(form_action=action, scripts=updates, fetches=updates)


@dataclass(frozen=True)
class ActivityPage(Page):
    """The part of the console that its script updates."""

    revision: str
    list: Listing[Any]
    template: ClassVar[str] = "console/activity.html"


@dataclass(frozen=True)
class RefusedPage(Page):
    """The page of a refused request."""

    reason: Literal["wrong_name", "other_site"]
    issuer: str
    template: ClassVar[str] = "console/refused.html"


def console(access: ConsoleAccess) -> Router:
    routes = [
        Route("/", _home(access), methods=["GET"]),
        Route("/u/console/activity", _activity(access), methods=["GET"]),
    ]
    return Router(routes)


def _home(access: ConsoleAccess) -> Endpoint:
    async def home(request: Request) -> Response:
        if refusal := _refusal(request):
            return refusal
        idp, issuer, view = idp_of(request), issuer_of(request), read_view(request.query_params)
        is_on = access.mode != "off"
        hides = is_on and view.tab in ACTIVITY and not access.shows_activity(request)
        page = ConsolePage(
            issuer,
            tuple(f"{issuer}{path}" for path in DOCUMENTS),
            view,
            _list(idp, view, language_of(request)) if is_on and not hides else None,
            hides,
            _counts(idp),
            idp.configuration.missing_keywords,
            revision(idp),
        )
        return render(request, page)

    return home


def _activity(access: ConsoleAccess) -> Endpoint:
    async def show_activity(request: Request) -> Response:
        """The answer to the console's script. It is 204 if there is no change."""
        if refusal := _refusal(request):
            return refusal
        view = read_view(request.query_params)
        if view.tab not in ACTIVITY or not access.shows_activity(request):
            return PlainTextResponse("Not Found", status_code=404)
        idp = idp_of(request)
        if request.query_params.get("revision") == revision(idp):
            return Response(status_code=204, headers={"Cache-Control": "no-store"})
        return render(request, ActivityPage(revision(idp), _list(idp, view, language_of(request))))

    return show_activity


def _list(idp: Idp, view: View, language: Language) -> Listing[Any]:
    if view.tab in WORDED:
        return WORDED[view.tab](idp, view, language)
    return LISTS[view.tab](idp, view)


def _counts(idp: Idp) -> dict[Tab, int]:
    tenant = idp.tenant
    return {
        "users": len(tenant.users),
        "clients": len(tenant.clients),
        "apis": len(tenant.apis),
        "connections": len(tenant.connections),
        "not_played": len(names_not_played(idp)),
    }


def refuse_wrong_name(request: Request) -> Response:
    """The answer to a request under a name that is not the tenant's: a page for a browser, else a line of text."""
    if "text/html" in request.headers.get("accept", ""):
        return render(request, RefusedPage("wrong_name", issuer_of(request)), status=421)
    return PlainTextResponse(WRONG_NAME.format(issuer=issuer_of(request)), status_code=421)


def _refusal(request: Request) -> Response | None:
    if not is_from_user(request):
        return render(request, RefusedPage("other_site", issuer_of(request)), status=403)
    return None
