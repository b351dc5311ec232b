"""Sign-ins that are under way, each bound to the browser that began it."""

from __future__ import annotations

import hmac

from starlette.requests import Request

from ...errors import PageError
from ...explanations import Case
from ...pages.languages import ask_for
from ...state.idp import Idp
from ...state.store import AuthorizationRequest, Session, Transaction
from ...web.cookies import browser_mark, current_session, new_browser_mark
from ...web.request import form_pairs, idp_of, single_values

TRANSACTION_LIFETIME = 3600


def begin_transaction(
    request: Request, auth_request: AuthorizationRequest, *, device: str | None = None
) -> tuple[str, Transaction]:
    """Keep a new sign-in; returns its `state` and the transaction. The response must set the browser's mark."""
    idp = idp_of(request)
    now = idp.clock.now()
    mark = browser_mark(request) or new_browser_mark()
    transaction = Transaction(auth_request, mark, now + TRANSACTION_LIFETIME, now, device=device)
    return idp.store.transactions.add(transaction, prefix="hKFo2S"), transaction


def find_transaction(request: Request, state: str | None) -> tuple[str, Transaction]:
    """The sign-in that `state` names, if this browser began it; PageError otherwise.

    The check of the browser's mark prevents other sites from posting the forms (CSRF), and other people from finishing
    the sign-in.
    """
    idp = idp_of(request)
    transaction = idp.store.transactions.get(state, idp.clock.now())
    mark = browser_mark(request)
    if state is None or transaction is None:
        raise _lost("transaction_lost")
    if mark is None or not hmac.compare_digest(mark, transaction.browser):
        raise _lost("other_browser")
    ask_for(request, transaction.request.ui_locales)
    return state, transaction


async def submitted(request: Request) -> tuple[dict[str, str], str, Transaction]:
    """The form of a page of a sign-in, its `state` and the transaction. PageError as of find_transaction."""
    form = single_values(await form_pairs(request))
    return form, *find_transaction(request, form.get("state"))


def signed_in(request: Request) -> Session:
    """The session of the browser. PageError if nobody is signed in there."""
    session = current_session(request)
    if session is None:
        raise PageError("login_required", "Login required", Case("not_signed_in"))
    return session


def shows_errors(idp: Idp, transaction: Transaction) -> bool:
    """Whether an error of this sign-in is shown on a page instead of being sent to a callback."""
    client = idp.tenant.clients.get(transaction.request.client_id)
    return client is None or client.shows_errors or transaction.device is not None


def _lost(code: str) -> PageError:
    description = (
        "You may have pressed the back button, refreshed during login, opened too many login dialogs, "
        "or there is some issue with cookies, since we couldn't find your session."
    )
    return PageError("invalid_request", description, Case(code), guess="lost_transaction")
