"""The way through a sign-in: /authorize, the pages it needs, /authorize/resume, the callback."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ...errors import AuthorizationError, InvalidRequest, PageError
from ...explanations import Case
from ...pages.languages import ask_for
from ...state.idp import Idp
from ...state.store import AuthorizationCode, Session, Transaction
from ...web.cookies import browser_mark, current_session, new_browser_mark, set_browser_mark
from ...web.request import form_pairs, idp_of, issuer_of, single_values
from ..answers import error_page, on_page
from ..audience import user_grant
from ..clients.metadata_documents import register_on_first_use
from .consent import REMOVED, question
from .device_decision import approve_device
from .request import read_addressee, read_request
from .response import refuse, send_to_callback
from .transactions import TRANSACTION_LIFETIME, find_transaction, shows_errors

CODE_LIFETIME = 60
REPEATABLE = frozenset({"resource"})


async def authorize(request: Request) -> Response:
    """Begin a sign-in (RFC 6749 section 4.1.1); GET and POST as OpenID Connect Core section 3.1.2.1 asks."""
    idp = idp_of(request)
    try:
        pairs = request.query_params.multi_items() if request.method != "POST" else await form_pairs(request)
        parameters = single_values(pairs, repeatable=REPEATABLE)
        ask_for(request, parameters.get("ui_locales"))
        await register_on_first_use(idp, parameters.get("client_id"))
        addressee = read_addressee(idp, parameters, issuer_of(request))
    except (InvalidRequest, PageError) as error:
        _log(idp, None, error, None)
        return error_page(request, error)
    resources = [value for name, value in pairs if name == "resource" and value]
    try:
        asked = read_request(idp, addressee, parameters, resources)
    except AuthorizationError as error:
        _log(idp, addressee.client.client_id, error, parameters.get("audience"))
        return refuse(request, addressee, error, to_page=addressee.client.shows_errors)
    mark = browser_mark(request) or new_browser_mark()
    now = idp.clock.now()
    transaction = Transaction(asked, mark, now + TRANSACTION_LIFETIME, now)
    response = _proceed(request, idp.store.transactions.add(transaction, prefix="hKFo2S"), transaction)
    set_browser_mark(request, response, mark)
    return response


@on_page
async def resume(request: Request) -> Response:
    """Go on with a sign-in after one of its pages."""
    state, transaction = find_transaction(request, request.query_params.get("state"))
    return _proceed(request, state, transaction)


def _proceed(request: Request, state: str, transaction: Transaction) -> Response:
    """Send the browser to the next page that is needed, or to the callback with the outcome."""
    idp, asked = idp_of(request), transaction.request
    try:
        session = _session_for(request, transaction)
        if session is None:
            return _to_page("/u/login", state)
        if _must_ask(idp, transaction, session):
            return _to_page("/u/consent", state)
        response = _finish(request, transaction, session)
    except AuthorizationError as error:
        _log(idp, asked.client_id, error, asked.audience, silent="none" in asked.prompt)
        response = refuse(request, asked, error, to_page=shows_errors(idp, transaction))
    idp.store.transactions.drop(state)
    return response


def _finish(request: Request, transaction: Transaction, session: Session) -> Response:
    if transaction.device is not None:
        return approve_device(request, transaction.device, session)
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
    idp.log.add("fsa" if silent else "f", description, client=client, audience=audience, details=error.why)


def _session_for(request: Request, transaction: Transaction) -> Session | None:
    """The session to answer with; None when the person must log in; AuthorizationError when they may not be asked."""
    session, asked = current_session(request), transaction.request
    if session is not None and not _must_log_in_again(transaction, session, idp_of(request).clock.now()):
        return session
    if "none" in asked.prompt:
        raise AuthorizationError("login_required", "Login required", Case("login_required"), guess="login_required")
    return None


def _must_log_in_again(transaction: Transaction, session: Session, now: float) -> bool:
    asked = transaction.request
    if session.auth_time >= transaction.started_at and transaction.asked_in_person:
        return False
    if asked.prompt & {"login", "select_account", "create"}:
        return True
    return asked.max_age is not None and now - session.auth_time > asked.max_age


def _must_ask(idp: Idp, transaction: Transaction, session: Session) -> bool:
    asked = question(idp, transaction, session)
    if asked is None or "none" not in transaction.request.prompt:
        return asked is not None
    if asked == "consent":
        raise AuthorizationError(
            "consent_required", "Consent required", Case("consent_required"), guess="consent_required"
        )
    client = idp.tenant.clients[transaction.request.client_id]
    case = Case("confirmation_required", client=client.name)
    raise AuthorizationError("interaction_required", "Interaction required", case, guess="interaction_required")


def _issue_code(idp: Idp, transaction: Transaction, session: Session) -> str:
    asked = transaction.request
    client = idp.tenant.clients.get(asked.client_id)
    api = idp.tenant.apis.get(asked.audience or "")
    if client is None or (asked.audience is not None and api is None):
        raise PageError("invalid_request", REMOVED, Case("removed_meanwhile"))
    if api is not None:
        user_grant(idp.tenant, client, api)
    if "none" in asked.prompt:
        user = idp.tenant.users.get(session.user_id)
        idp.log.add("ssa", "", client=client, user=user, audience=asked.audience)
    code = AuthorizationCode(
        asked, session.user_id, session.auth_time, session.session_id, idp.clock.now() + CODE_LIFETIME
    )
    return idp.store.codes.add(code)


def _to_page(path: str, state: str) -> Response:
    return RedirectResponse(f"{path}?state={state}", status_code=302, headers={"Cache-Control": "no-store"})
