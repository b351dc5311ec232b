"""A sign-in from /authorize through its pages and /authorize/resume to the callback."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...errors import USER_BLOCKED, AuthorizationError, InvalidRequest, PageError
from ...explanations import Case
from ...pages.languages import ask_for
from ...state.idp import Idp
from ...state.store import AuthorizationCode, Session, Transaction
from ...web.cookies import current_session, set_browser_mark
from ...web.request import form_pairs, idp_of, issuer_of, single_values
from ..answers import error_page, redirect, with_error_pages
from ..audience import user_grant
from ..clients.metadata_documents import register_on_first_use
from .actions import run_actions
from .connections import check_connection
from .consent import client_and_api, question
from .organization import check_membership, must_choose
from .pushed import check_need_not_be_pushed, taken_request
from .request import REPEATABLE, read_recipient, read_request
from .response import approve_device, refuse, send_to_callback
from .signup import starts_with_signup
from .transactions import begin_transaction, find_transaction, shows_errors

CODE_LIFETIME = 60


async def authorize(request: Request) -> Response:
    """GET and POST /authorize: begin a sign-in (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1)."""
    idp = idp_of(request)
    try:
        pairs = request.query_params.multi_items() if request.method != "POST" else await form_pairs(request)
        parameters = single_values(pairs, repeatable=REPEATABLE)
        resources = [value for name, value in pairs if name == "resource" and value]
        pushed = taken_request(idp, issuer_of(request), parameters)
        if pushed is not None:
            parameters, resources = {**pushed.parameters, "client_id": pushed.client_id}, list(pushed.resources)
        ask_for(request, parameters.get("ui_locales"))
        await register_on_first_use(idp, {**parameters, **({"resource": ", ".join(resources)} if resources else {})})
        recipient = read_recipient(idp, parameters, issuer_of(request))
    except (InvalidRequest, PageError) as error:
        _log(idp, None, error, None)
        return error_page(request, error)
    try:
        if pushed is None:
            check_need_not_be_pushed(idp, idp.tenant.clients[recipient.client_id])
        auth_request = read_request(idp, recipient, parameters, resources)
    except AuthorizationError as error:
        _log(idp, recipient.client_id, error, parameters.get("audience"))
        client = idp.tenant.clients[recipient.client_id]
        return refuse(request, recipient, error, to_page=client.shows_errors)
    state, transaction = begin_transaction(request, auth_request)
    response = await _proceed(request, state, transaction)
    set_browser_mark(request, response, transaction.browser)
    return response


@with_error_pages
async def resume(request: Request) -> Response:
    """GET /authorize/resume: continue a sign-in after one of its pages."""
    state, transaction = find_transaction(request, request.query_params.get("state"))
    return await _proceed(request, state, transaction)


async def _proceed(request: Request, state: str, transaction: Transaction) -> Response:
    """Send the browser to the next page, or to the callback with the result."""
    idp, auth_request = idp_of(request), transaction.request
    try:
        check_connection(idp, auth_request)
        session = _session_for(request, transaction)
        if must_choose(idp, transaction, session):
            return _ask_for_organization(transaction, state)
        if session is None:
            first_page = "signup" if starts_with_signup(idp, auth_request) else "login"
            return redirect(f"/u/{first_page}?state={state}")
        _check_blocked(idp, session)
        check_membership(idp, transaction, session)
        await run_actions(request, transaction, session)
        if _must_ask(idp, transaction, session):
            return redirect(f"/u/consent?state={state}")
        response = _finish(request, transaction, session)
    except AuthorizationError as error:
        _log(idp, auth_request.client_id, error, auth_request.audience, silent="none" in auth_request.prompt)
        response = refuse(request, auth_request, error, to_page=shows_errors(idp, transaction))
    idp.store.transactions.drop(state)
    return response


def _check_blocked(idp: Idp, session: Session) -> None:
    """AuthorizationError if an administrator blocked the user (Auth0: Block and Unblock Users)."""
    user = idp.tenant.users.get(session.user_id)
    if user is not None and user.blocked:
        raise AuthorizationError("unauthorized", USER_BLOCKED, Case("user_blocked"))


def _ask_for_organization(transaction: Transaction, state: str) -> Response:
    if "none" in transaction.request.prompt:
        case = Case("organization_choice_required")
        raise AuthorizationError("interaction_required", "Interaction required", case, guess="interaction_required")
    return redirect(f"/u/organization?state={state}")


def _finish(request: Request, transaction: Transaction, session: Session) -> Response:
    if transaction.device is not None:
        return approve_device(request, transaction.device, session, transaction)
    code = _issue_code(idp_of(request), transaction, session)
    return send_to_callback(request, transaction.request, {"code": code})


def _log(
    idp: Idp,
    client_id: str | None,
    error: AuthorizationError | InvalidRequest,
    audience: str | None,
    *,
    silent: bool = False,
) -> None:
    client = idp.tenant.clients.get(client_id or "")
    description = f"{error.error} : {error.description}"
    idp.log.add("fsa" if silent else "f", description, client=client, audience=audience, refusal=error)


def _session_for(request: Request, transaction: Transaction) -> Session | None:
    """The session to answer with; None if the person must log in. AuthorizationError if `prompt=none`."""
    session, auth_request = current_session(request), transaction.request
    if session is not None and not _must_log_in_again(transaction, session, idp_of(request).clock.now()):
        return session
    if "none" in auth_request.prompt:
        raise AuthorizationError("login_required", "Login required", Case("login_required"), guess="login_required")
    return None


def _must_log_in_again(transaction: Transaction, session: Session, now: float) -> bool:
    auth_request = transaction.request
    if session.auth_time >= transaction.started_at and transaction.saw_login_page:
        return False
    if auth_request.prompt & {"login", "select_account", "create"}:
        return True
    return auth_request.max_age is not None and now - session.auth_time > auth_request.max_age


def _must_ask(idp: Idp, transaction: Transaction, session: Session) -> bool:
    needed = question(idp, transaction, session)
    if needed is None or "none" not in transaction.request.prompt:
        return needed is not None
    if needed == "consent":
        raise AuthorizationError(
            "consent_required", "Consent required", Case("consent_required"), guess="consent_required"
        )
    client = idp.tenant.clients[transaction.request.client_id]
    case = Case("confirmation_required", client=client.name)
    raise AuthorizationError("interaction_required", "Interaction required", case, guess="interaction_required")


def _issue_code(idp: Idp, transaction: Transaction, session: Session) -> str:
    auth_request = transaction.request
    client, api = client_and_api(idp, auth_request)
    if api is not None:
        user_grant(idp.tenant, client, api)
    if "none" in auth_request.prompt:
        user = idp.tenant.users.get(session.user_id)
        idp.log.add("ssa", "", client=client, user=user, audience=auth_request.audience)
    expires_at = idp.clock.now() + CODE_LIFETIME
    code = AuthorizationCode(
        auth_request, session.user_id, session.auth_time, session.session_id, expires_at, transaction.outcome
    )
    return idp.store.codes.add(code)
