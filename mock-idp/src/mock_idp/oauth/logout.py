"""Auth0's own logout (Auth0: Log Users Out of Auth0)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..errors import PageError
from ..explanations import Case
from ..pages.models import MessagePage
from ..pages.rendering import render
from ..state.idp import Idp
from ..tenant.model import Client
from ..web.cookies import current_session, end_session
from ..web.request import idp_of, single_values
from .answers import on_page
from .authorize.cases import unknown_client


@on_page
async def logout(request: Request) -> Response:
    """GET /v2/logout: end the session, then go to `returnTo` if it is allowed for the client or the tenant."""
    parameters = single_values(request.query_params.multi_items())
    return logged_out(request, _target(idp_of(request), parameters))


def logged_out(request: Request, target: str | None) -> Response:
    """End the browser's session and send it to `target`, or tell the person that it is done."""
    response: Response = render(request, MessagePage("logged_out"))
    if target is not None:
        response = RedirectResponse(target, status_code=302, headers={"Cache-Control": "no-store"})
    _log(request)
    end_session(request, response)
    return response


def _target(idp: Idp, parameters: dict[str, str]) -> str | None:
    """The URL to go to: one of the client's with client_id, one of the tenant's without. PageError for any other."""
    wanted, client_id = parameters.get("returnTo"), parameters.get("client_id")
    client = idp.tenant.clients.get(client_id or "")
    if client_id is not None and client is None:
        raise unknown_client(idp, client_id)
    if client is not None:
        check_logout_client(client)
    allowed = client.logout_urls if client is not None else idp.tenant.settings.allowed_logout_urls
    if wanted is None:
        return allowed[0] if allowed else None
    if wanted not in allowed:
        raise PageError(
            "invalid_request",
            f'The "returnTo" querystring parameter "{wanted}" is not defined as a valid URL',
            logout_case(wanted, client, allowed),
            guess="logout_target",
        )
    return wanted


def logout_case(wanted: str, client: Client | None, allowed: tuple[str, ...]) -> Case:
    """Why the browser does not go to `wanted` after a logout."""
    if client is None:
        return Case("logout_url_not_allowed_tenant", sent=wanted, registered=allowed)
    return Case("logout_url_not_allowed", sent=wanted, registered=allowed, client=client.name)


def _log(request: Request) -> None:
    idp, session = idp_of(request), current_session(request)
    if session is not None:
        idp.log.add("slo", "User successfully logged out", user=idp.tenant.users.get(session.user_id))


def check_logout_client(client: Client) -> None:
    """PageError for a strict third-party client: it has no logout endpoints."""
    if client.strict:
        raise PageError(
            "invalid_request",
            "Logout is not supported for third-party clients",
            Case("logout_third_party", client=client.name),
            guess="logout_third_party",
        )
