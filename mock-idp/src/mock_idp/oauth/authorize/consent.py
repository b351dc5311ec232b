"""The consent page, and the conditions for it (Auth0: User Consent)."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ...errors import AuthorizationError, PageError
from ...explanations import Case
from ...pages.models import ConsentPage, ScopeLine
from ...pages.rendering import render
from ...state.idp import Idp
from ...state.store import AuthorizationRequest, Session, Transaction
from ...tenant.model import Api, Client
from ...web.request import idp_of
from ..answers import redirect, with_error_pages
from ..audience import user_grant
from ..clients.metadata_documents import is_metadata_url
from ..scopes import auth0_lines, scope_text, user_scopes
from .callback import is_verifiable, matched_on_any_port
from .response import deny_device, refuse
from .transactions import find_transaction, shows_errors, signed_in, submitted

DECLINED = "User did not authorize the request"


def question(idp: Idp, transaction: Transaction, session: Session) -> Literal["consent", "confirmation"] | None:
    """The question to the person before the client gets its answer: consent, a confirmation, or none."""
    if transaction.consented_by == session.user_id:
        return None
    if _needs_consent(idp, transaction.request, session):
        return "consent"
    return "confirmation" if _needs_confirmation(idp, transaction) else None


def granted_scopes(idp: Idp, auth_request: AuthorizationRequest, user_id: str) -> tuple[str, ...]:
    """The scopes that the client gets if the user agrees. AuthorizationError if the client may not use the API."""
    client, api = client_and_api(idp, auth_request)
    user = idp.tenant.users.get(user_id)
    if user is None:
        raise AuthorizationError("login_required", "Login required", Case("removed_meanwhile"))
    grant = user_grant(idp.tenant, client, api) if api is not None else None
    organization = idp.tenant.organizations.get(auth_request.organization or "")
    return user_scopes(idp.tenant, client, user, api, grant, auth_request.scopes, organization)


def client_and_api(idp: Idp, auth_request: AuthorizationRequest) -> tuple[Client, Api | None]:
    """The client and the API of a sign-in. PageError if one was removed during the sign-in."""
    client = idp.tenant.clients.get(auth_request.client_id)
    api = idp.tenant.apis.get(auth_request.audience or "")
    if client is None or (auth_request.audience is not None and api is None):
        description = "The client or the API was removed during the sign-in."
        raise PageError("invalid_request", description, Case("removed_meanwhile"))
    return client, api


@with_error_pages
async def show_consent(request: Request) -> Response:
    state, transaction = find_transaction(request, request.query_params.get("state"))
    return render(request, _page(request, state, transaction))


@with_error_pages
async def submit_consent(request: Request) -> Response:
    form, state, transaction = await submitted(request)
    action = form.get("action")
    idp, auth_request, session = idp_of(request), transaction.request, signed_in(request)
    if action == "accept":
        scopes = frozenset(granted_scopes(idp, auth_request, session.user_id))
        idp.store.remember_consent(session.user_id, auth_request, scopes)
        transaction.consented_by = session.user_id
        return redirect(f"/authorize/resume?state={state}")
    if action != "deny":
        raise PageError("invalid_request", "action must be accept or deny", Case("action_unknown", sent=action or ""))
    idp.store.transactions.drop(state)
    client, _ = client_and_api(idp, auth_request)
    code = "fdecc" if transaction.device is not None else "f"
    idp.log.add(code, DECLINED, client=client, user=idp.tenant.users.get(session.user_id))
    if transaction.device is not None:
        return deny_device(request, transaction.device)
    declined = AuthorizationError("access_denied", DECLINED, Case("consent_declined"), guess="consent_declined")
    return refuse(request, auth_request, declined, to_page=shows_errors(idp, transaction))


def _needs_consent(idp: Idp, auth_request: AuthorizationRequest, session: Session) -> bool:
    if "consent" in auth_request.prompt:
        return True
    if _is_skippable(idp, auth_request):
        return False
    given = idp.store.consent(session.user_id, auth_request)
    return given is None or not given.issuperset(granted_scopes(idp, auth_request, session.user_id))


def _is_skippable(idp: Idp, auth_request: AuthorizationRequest) -> bool:
    client, api = client_and_api(idp, auth_request)
    if not client.first_party or (api is not None and not api.skip_consent):
        return False
    return is_verifiable(auth_request.redirect_uri) or not idp.behaviours.consent_on_localhost


def _needs_confirmation(idp: Idp, transaction: Transaction) -> bool:
    """Whether the person must confirm a callback that any program could own.

    The application's setting overrides the tenant's (Auth0, Measures Against Application Impersonation).
    """
    auth_request = transaction.request
    if transaction.saw_login_page or is_verifiable(auth_request.redirect_uri):
        return False
    client, _ = client_and_api(idp, auth_request)
    if client.skip_confirmation is not None:
        return not client.skip_confirmation
    return not idp.tenant.settings.skip_non_verifiable_callback_uri_confirmation_prompt


def _page(request: Request, state: str, transaction: Transaction) -> ConsentPage:
    idp, auth_request, session = idp_of(request), transaction.request, signed_in(request)
    client, api = client_and_api(idp, auth_request)
    confirmation = question(idp, transaction, session) == "confirmation"
    scopes = () if confirmation else granted_scopes(idp, auth_request, session.user_id)
    shown = [scope for scope in scopes if scope != "openid"]
    described = idp.tenant.settings.use_scope_descriptions_for_consent or not _has_descriptions(api, shown)
    return ConsentPage(
        state=state,
        client_name=client.name,
        third_party=not client.first_party,
        email=idp.tenant.users[session.user_id].email,
        client_url=client.client_id if is_metadata_url(client.client_id) else None,
        leads_to=auth_request.redirect_uri,
        callback_host=_callback_host(auth_request.redirect_uri),
        callback_is_local=not is_verifiable(auth_request.redirect_uri),
        user_code=_user_code(idp, transaction),
        api_name=api.name if api and not confirmation else None,
        api_identifier=api.identifier if api else None,
        scopes=[ScopeLine(scope, scope_text(scope, api)) for scope in shown],
        real_lines=[] if described else auth0_lines(shown),
        confirmation=confirmation,
        registered_without_port=matched_on_any_port(client, auth_request.redirect_uri, idp.behaviours),
    )


def _has_descriptions(api: Api | None, scopes: list[str]) -> bool:
    return api is not None and any(api.scopes.get(scope) for scope in scopes)


def _callback_host(redirect_uri: str) -> str:
    """Host and port of the callback, or the scheme if it belongs to a program."""
    parts = urlsplit(redirect_uri)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"


def _user_code(idp: Idp, transaction: Transaction) -> str | None:
    device = idp.store.devices.get(transaction.device, idp.clock.now())
    return device.user_code if device else None
