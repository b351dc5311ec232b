"""Sign-ins that are under way, each bound to the browser that began it."""

from __future__ import annotations

import hmac

from starlette.requests import Request

from ...errors import PageError
from ...explanations import Case
from ...pages.languages import ask_for
from ...state.idp import Idp
from ...state.store import AuthorizationRequest, Transaction
from ...web.cookies import browser_mark, new_browser_mark
from ...web.request import idp_of

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
