"""OpenID Connect RP-Initiated Logout 1.0 as Auth0 has it (Auth0: Log Users Out of Auth0 with the OIDC endpoint)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from ..errors import PageError
from ..explanations import Case
from ..formats.jwt import verified_claims
from ..pages.models import LogoutPage, MessagePage
from ..pages.rendering import render
from ..state.idp import Idp
from ..state.store import LogoutRequest
from ..tenant.model import Client
from ..web.cookies import browser_mark, current_session, new_browser_mark, set_browser_mark
from ..web.request import form_pairs, idp_of, issuer_of, single_values
from .answers import on_page
from .authorize.cases import unknown_client
from .logout import check_logout_client, logged_out, logout_case

CONFIRMATION_LIFETIME = 600
LOST = "This logout has expired or began in another browser."


@dataclass(frozen=True)
class Hint:
    """Whose session is to end: the session id, and the client that the hint was issued to."""

    session_id: str | None
    client: Client | None


@on_page
async def oidc_logout(request: Request) -> Response:
    """End the session at once when the request proves to be the user's; ask on a page otherwise."""
    idp = idp_of(request)
    parameters = await _parameters(request)
    hint = _hint(idp, issuer_of(request), parameters)
    target = _target(idp, hint, parameters)
    session = current_session(request)
    if session is None or session.session_id == hint.session_id:
        return logged_out(request, target)
    return _ask(request, target)


@on_page
async def confirm_logout(request: Request) -> Response:
    """The answer to the question on the page."""
    idp = idp_of(request)
    form = single_values(await form_pairs(request))
    asked = idp.store.logouts.get(form.get("state"), idp.clock.now())
    mark = browser_mark(request)
    if asked is None or mark is None or not hmac.compare_digest(mark, asked.browser):
        raise PageError("invalid_request", LOST, Case("logout_lost"), guess="logout_hint")
    idp.store.logouts.drop(form.get("state"))
    if form.get("action") != "accept":
        return render(request, MessagePage("still_logged_in"))
    return logged_out(request, asked.target)


async def _parameters(request: Request) -> dict[str, str]:
    pairs = await form_pairs(request) if request.method == "POST" else request.query_params.multi_items()
    return single_values(pairs)


def _hint(idp: Idp, issuer: str, parameters: Mapping[str, str]) -> Hint:
    """What id_token_hint or logout_hint say; PageError when they contradict client_id or are not this tenant's."""
    client_id = parameters.get("client_id")
    if "id_token_hint" not in parameters:
        return Hint(parameters.get("logout_hint"), _client(idp, client_id) if client_id else None)
    # An expired ID token is good enough to say whose session it was (RP-Initiated Logout section 2).
    claims = _id_token_claims(idp, parameters["id_token_hint"])
    if claims is None or claims.get("iss") != issuer:
        raise PageError("invalid_request", "id_token_hint is invalid", Case("logout_hint_invalid"), guess="logout_hint")
    audience, session_id = claims.get("aud"), claims.get("sid")
    if client_id not in (None, audience):
        raise _contradiction("client_id")
    if parameters.get("logout_hint") not in (None, session_id):
        raise _contradiction("logout_hint")
    return Hint(session_id if isinstance(session_id, str) else None, _client(idp, str(audience)))


def _contradiction(parameter: str) -> PageError:
    description = f"{parameter} does not match id_token_hint"
    case = Case("logout_hint_contradicts", parameter=parameter)
    return PageError("invalid_request", description, case, guess="logout_hint")


def _id_token_claims(idp: Idp, token: str) -> dict[str, object] | None:
    return verified_claims(token, idp.keys.verification_keys(), ["RS256", "PS256"])


def _client(idp: Idp, client_id: str) -> Client:
    client = idp.tenant.clients.get(client_id)
    if client is None:
        raise unknown_client(idp, client_id)
    check_logout_client(client)
    return client


def _target(idp: Idp, hint: Hint, parameters: Mapping[str, str]) -> str | None:
    """Where to go afterwards: one of the client's Allowed Logout URLs, or of the tenant's where no client is known."""
    wanted = parameters.get("post_logout_redirect_uri")
    if wanted is None:
        return None
    allowed = hint.client.logout_urls if hint.client else idp.tenant.settings.allowed_logout_urls
    if wanted not in allowed:
        raise PageError(
            "invalid_request",
            f'The "post_logout_redirect_uri" parameter "{wanted}" is not defined as a valid URL',
            logout_case(wanted, hint.client, allowed),
            guess="logout_target",
        )
    if "state" not in parameters:
        return wanted
    return f"{wanted}{'&' if '?' in wanted else '?'}{urlencode({'state': parameters['state']})}"


def _ask(request: Request, target: str | None) -> Response:
    idp = idp_of(request)
    mark = browser_mark(request) or new_browser_mark()
    asked = LogoutRequest(mark, target, idp.clock.now() + CONFIRMATION_LIFETIME)
    response = render(request, LogoutPage(idp.store.logouts.add(asked), target))
    set_browser_mark(request, response, mark)
    return response
