from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from .console import ConsoleAccess, console_routes, refuse_wrong_name
from .control import ControlAccess, control_routes
from .http.deferred import Deferred
from .http.middleware import AccessLog, HostGate
from .oauth.authorize.consent import show_consent, submit_consent
from .oauth.authorize.endpoint import authorize, resume
from .oauth.authorize.login import show_login, submit_login
from .oauth.authorize.organization import show_organization, submit_organization
from .oauth.authorize.password_reset import (
    show_new_password,
    show_reset_request,
    submit_new_password,
    submit_reset_request,
)
from .oauth.authorize.pushed import push
from .oauth.authorize.signup import show_signup, submit_signup
from .oauth.clients.registration import register
from .oauth.cors import Cors
from .oauth.database_connections import change_password, signup
from .oauth.device import device_code, show_activation, submit_activation
from .oauth.discovery import jwks, metadata
from .oauth.logout import confirm_logout, logout, oidc_logout
from .oauth.token.endpoint import revoke, token
from .oauth.userinfo import userinfo
from .pages.rendering import static_files
from .state.faults import FaultInjector
from .state.idp import Idp
from .state.journal import Recorder
from .web.request import MAX_BODY, Issuer


def create_app(
    idp: Idp,
    issuer: str,
    control: ControlAccess | None = None,
    console: ConsoleAccess | None = None,
    hosts: Sequence[str] = (),
) -> ASGIApp:
    """The tenant as an ASGI application that answers under `issuer`. The control API is off without `control`.

    It refuses requests under other host names than the issuer's, those of this machine, and `hosts`.
    """
    if console is None:
        console = ConsoleAccess(needs_token=control is not None and control.token is not None)
    names = (urlsplit(issuer).hostname or "", *hosts)
    return Issuer(_application(idp, control, console, names), issuer)


def _application(idp: Idp, control: ControlAccess | None, console: ConsoleAccess, names: Sequence[str]) -> Starlette:
    routes = [
        *console_routes(console),
        Route("/livez", livez, methods=["GET"]),
        Route("/.well-known/openid-configuration", metadata, methods=["GET"]),
        Route("/.well-known/oauth-authorization-server", metadata, methods=["GET"]),
        Route("/.well-known/jwks.json", jwks, methods=["GET"]),
        Route("/authorize", authorize, methods=["GET", "POST"]),
        Route("/authorize/resume", resume, methods=["GET"]),
        Route("/u/login", show_login, methods=["GET"]),
        Route("/u/login", submit_login, methods=["POST"]),
        Route("/u/signup", show_signup, methods=["GET"]),
        Route("/u/signup", submit_signup, methods=["POST"]),
        Route("/u/reset-password", show_reset_request, methods=["GET"]),
        Route("/u/reset-password", submit_reset_request, methods=["POST"]),
        Route("/u/reset-verify", show_new_password, methods=["GET"]),
        Route("/u/reset-verify", submit_new_password, methods=["POST"]),
        Route("/u/consent", show_consent, methods=["GET"]),
        Route("/u/consent", submit_consent, methods=["POST"]),
        Route("/u/organization", show_organization, methods=["GET"]),
        Route("/u/organization", submit_organization, methods=["POST"]),
        Mount("/u/static", static_files()),
        Route("/oauth/token", token, methods=["POST"]),
        Route("/oauth/par", push, methods=["POST"]),
        Route("/oauth/revoke", revoke, methods=["POST"]),
        Route("/oauth/device/code", device_code, methods=["POST"]),
        Route("/activate", show_activation, methods=["GET"]),
        Route("/activate", submit_activation, methods=["POST"]),
        Route("/dbconnections/signup", signup, methods=["POST"]),
        Route("/dbconnections/change_password", change_password, methods=["POST"]),
        Route("/oidc/register", register, methods=["POST"]),
        Route("/userinfo", userinfo, methods=["GET", "POST"]),
        Route("/v2/logout", logout, methods=["GET"]),
        Route("/oidc/logout", oidc_logout, methods=["GET", "POST"]),
        Route("/u/logout", confirm_logout, methods=["POST"]),
        Mount("/api/v2", Deferred(_management)),
        *control_routes(control),
    ]
    middleware = [
        Middleware(AccessLog),
        Middleware(HostGate, names=names, refuse=refuse_wrong_name),
        Middleware(Recorder, journal=idp.journal, clock=idp.clock),
        Middleware(FaultInjector, faults=idp.faults),
        Middleware(Cors),
    ]
    app = Starlette(routes=routes, middleware=middleware, max_body_size=MAX_BODY)
    app.state.idp = idp
    app.state.console = console
    return app


def _management() -> ASGIApp:
    from .management import management_api

    return management_api()


async def livez(request: Request) -> Response:
    return PlainTextResponse("ok")
