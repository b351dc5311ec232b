"""The logout endpoints (Auth0: Log Users Out of Auth0; OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from ..errors import PageError
from ..explanations import Case
from ..formats.origins import has_placeholder, matches
from ..formats.parsing import verified_claims
from ..formats.urls import without_query
from ..pages.models import LogoutPage, MessagePage
from ..pages.rendering import render
from ..state.idp import Idp
from ..state.store import LogoutRequest
from ..tenant.model import Client
from ..web.cookies import browser_mark, current_session, end_session, new_browser_mark, set_browser_mark
from ..web.request import form_pairs, idp_of, issuer_of, single_values
from .answers import redirect, with_error_pages
from .authorize.request import find_client

CONFIRMATION_LIFETIME = 600
LOST = "This logout has expired or began in another browser."


@dataclass(frozen=True)
class Hint:
    """The session that the request names, and the client that sends it."""

    session_id: str | None
    client: Client | None


@with_error_pages
async def logout(request: Request) -> Response:
    """GET /v2/logout: end the session, then go to `returnTo` if the client or the tenant allows it."""
    parameters = single_values(request.query_params.multi_items())
    idp, target = idp_of(request), parameters.get("returnTo")
    client = _client(idp, parameters["client_id"]) if "client_id" in parameters else None
    if target is not None:
        _check_target(idp, client, target, '"returnTo" querystring parameter', compared=without_query)
        return _logged_out(request, target)
    known = (url for url in _allowed_targets(idp, client) if not has_placeholder(url))
    return _logged_out(request, next(known, None))


@with_error_pages
async def oidc_logout(request: Request) -> Response:
    """GET and POST /oidc/logout: end the session if the hint names it; otherwise ask the person on a page."""
    idp = idp_of(request)
    pairs = await form_pairs(request) if request.method == "POST" else request.query_params.multi_items()
    parameters = single_values(pairs)
    hint = _hint(idp, issuer_of(request), parameters)
    target = _oidc_target(idp, hint, parameters)
    session = current_session(request)
    if session is None or session.session_id == hint.session_id:
        return _logged_out(request, target)
    return _confirmation(request, target)


@with_error_pages
async def confirm_logout(request: Request) -> Response:
    """POST /u/logout: the person's answer on the confirmation page."""
    idp = idp_of(request)
    form = single_values(await form_pairs(request))
    pending = idp.store.logouts.get(form.get("state"), idp.clock.now())
    mark = browser_mark(request)
    if pending is None or mark is None or not hmac.compare_digest(mark, pending.browser):
        raise PageError("invalid_request", LOST, Case("logout_lost"), guess="logout_hint")
    idp.store.logouts.drop(form.get("state"))
    if form.get("action") != "accept":
        return render(request, MessagePage("still_logged_in"))
    return _logged_out(request, pending.target)


def _logged_out(request: Request, target: str | None) -> Response:
    """End the browser's session. The browser goes to `target`; without a target it gets a page."""
    response: Response = render(request, MessagePage("logged_out")) if target is None else redirect(target)
    idp, session = idp_of(request), current_session(request)
    if session is not None:
        idp.log.add("slo", "User successfully logged out", user=idp.tenant.users.get(session.user_id))
    end_session(request, response)
    return response


def _confirmation(request: Request, target: str | None) -> Response:
    idp = idp_of(request)
    mark = browser_mark(request) or new_browser_mark()
    pending = LogoutRequest(mark, target, idp.clock.now() + CONFIRMATION_LIFETIME)
    response = render(request, LogoutPage(idp.store.logouts.add(pending), target))
    set_browser_mark(request, response, mark)
    return response


def _client(idp: Idp, client_id: str) -> Client:
    """The client; PageError if there is none, and for a strict third-party client: it has no logout endpoints."""
    client = find_client(idp, client_id)
    if client.strict:
        raise PageError(
            "invalid_request",
            "Logout is not supported for third-party clients",
            Case("logout_third_party", client=client.name),
            guess="logout_third_party",
        )
    return client


def _hint(idp: Idp, issuer: str, parameters: Mapping[str, str]) -> Hint:
    """The content of id_token_hint or logout_hint. PageError if client_id contradicts it or it is not this tenant's."""
    client_id = parameters.get("client_id")
    if "id_token_hint" not in parameters:
        return Hint(parameters.get("logout_hint"), _client(idp, client_id) if client_id else None)
    # An expired ID token also names its session (RP-Initiated Logout section 2).
    claims = verified_claims(parameters["id_token_hint"], idp.keys.verification_keys(), ["RS256", "PS256"])
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


def _oidc_target(idp: Idp, hint: Hint, parameters: Mapping[str, str]) -> str | None:
    target = parameters.get("post_logout_redirect_uri")
    if target is None:
        return None
    _check_target(idp, hint.client, target, '"post_logout_redirect_uri" parameter')
    if "state" not in parameters:
        return target
    return f"{target}{'&' if '?' in target else '?'}{urlencode({'state': parameters['state']})}"


def _allowed_targets(idp: Idp, client: Client | None) -> tuple[str, ...]:
    """The client's Allowed Logout URLs; those of the tenant if no client is known."""
    return client.logout_urls if client is not None else idp.tenant.settings.allowed_logout_urls


def _check_target(
    idp: Idp, client: Client | None, target: str, parameter: str, *, compared: Callable[[str], str] = str
) -> None:
    """PageError if the target is not allowed. `compared` is the part of a URL that counts.

    /v2/logout ignores query and fragment (Auth0: Redirect Users with Alternative Logout), /oidc/logout does not
    (Auth0: Log Users Out of Auth0).
    """
    allowed = _allowed_targets(idp, client)
    if any(matches(compared(target), compared(entry)) for entry in allowed):
        return
    case = Case("logout_url_not_allowed_tenant", sent=target, registered=allowed)
    if client is not None:
        case = Case("logout_url_not_allowed", sent=target, registered=allowed, client=client.name)
    description = f'The {parameter} "{target}" is not defined as a valid URL'
    raise PageError("invalid_request", description, case, guess="logout_target")
