"""The login page."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import Response

from ...errors import TOO_MANY_ATTEMPTS
from ...pages.models import LoginPage, PublishedUser, published_users
from ...pages.rendering import render
from ...state.logins import NO_MAIL, TooManyAttempts, WrongCredentials, authenticated_user
from ...state.store import Transaction
from ...tenant.model import Client
from ...web.cookies import begin_session
from ...web.request import idp_of, sender_ip
from ..answers import redirect, with_error_pages
from .connections import possible_connections
from .password_reset import reset_database
from .signup import signup_database
from .transactions import find_transaction, submitted

logger = logging.getLogger(__name__)

# A tenant file may have thousands of users. A list of all of them is of no use.
MAX_LISTED_USERS = 8


@with_error_pages
async def show_login(request: Request) -> Response:
    state, transaction = find_transaction(request, request.query_params.get("state"))
    username = request.query_params.get("fill") or transaction.request.login_hint or ""
    return render(request, _page(request, state, transaction, username))


@with_error_pages
async def submit_login(request: Request) -> Response:
    form, state, transaction = await submitted(request)
    idp, username = idp_of(request), form.get("username", "")
    databases = possible_connections(idp, transaction.request) or list(idp.tenant.connections.values())
    try:
        user = authenticated_user(idp, username, form.get("password", ""), ip=sender_ip(request), databases=databases)
    except WrongCredentials as error:
        logger.info("login refused: wrong email or password")
        code, words = ("fp", "Wrong email or password.") if error.user else ("fu", "Invalid email or username.")
        idp.log.add(code, words, client=_client(request, transaction), user=error.user)
        return render(request, _page(request, state, transaction, username, failed=True), status=400)
    except TooManyAttempts:
        logger.info("login refused: too many wrong passwords")
        idp.log.add("limit_wc", TOO_MANY_ATTEMPTS, client=_client(request, transaction), details=NO_MAIL)
        page = _page(request, state, transaction, username, failed=True, locked=True)
        return render(request, page, status=429)
    transaction.saw_login_page = True
    idp_of(request).log.add("s", "Successful login", client=_client(request, transaction), user=user)
    response = redirect(f"/authorize/resume?state={state}")
    begin_session(request, response, user.user_id)
    return response


def _client(request: Request, transaction: Transaction) -> Client | None:
    return idp_of(request).tenant.clients.get(transaction.request.client_id)


def _page(
    request: Request,
    state: str,
    transaction: Transaction,
    username: str,
    *,
    failed: bool = False,
    locked: bool = False,
) -> LoginPage:
    idp, client = idp_of(request), _client(request, transaction)
    users = published_users(idp)
    return LoginPage(
        state=state,
        client_name=client.name if client else transaction.request.client_id,
        leads_to=transaction.request.redirect_uri,
        username=username,
        password=_password_to_fill_in(request, users),
        failed=failed,
        locked=locked,
        offers_signup=signup_database(idp, transaction.request) is not None,
        offers_reset=reset_database(idp, transaction.request) is not None,
        users=users[:MAX_LISTED_USERS],
        more_users=max(0, len(users) - MAX_LISTED_USERS),
    )


def _password_to_fill_in(request: Request, users: list[PublishedUser]) -> str:
    """The password of the user that the person chose from the list."""
    chosen = request.query_params.get("fill") if request.method == "GET" else None
    return next((user.password for user in users if user.email == chosen), "")
