"""The pages for a forgotten password. The offline tenant shows the link that a real tenant sends by mail."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...errors import PageError
from ...explanations import Case
from ...pages.models import MessagePage, NewPasswordPage, ResetRequestPage, ResetSentPage
from ...pages.rendering import render
from ...pages.texts import Texts
from ...state.idp import Idp
from ...state.store import AuthorizationRequest, PasswordTicket
from ...state.users import change_user
from ...tenant.model import Connection, User
from ...tenant.passwords import PasswordRefused
from ...web.activity_access import shows_activity
from ...web.request import form_pairs, idp_of, single_values
from ..answers import with_error_pages
from .connections import possible_connections
from .consent import client_and_api
from .transactions import find_transaction, submitted

# The default of Auth0's mail template, in seconds.
TICKET_LIFETIME = 432_000
SENT = "We've just sent you an email to reset your password."


def reset_database(idp: Idp, asked: AuthorizationRequest) -> Connection | None:
    """The database in which the person can set a new password; None if no one allows it."""
    return next((each for each in possible_connections(idp, asked) if each.changes_password), None)


@with_error_pages
async def show_reset_request(request: Request) -> Response:
    state, transaction = find_transaction(request, request.query_params.get("state"))
    idp, asked = idp_of(request), transaction.request
    client, _ = client_and_api(idp, asked)
    _database(idp, asked)
    return render(request, ResetRequestPage(state, client.name, asked.login_hint or ""))


@with_error_pages
async def submit_reset_request(request: Request) -> Response:
    """POST /u/reset-password: as if a mail with a link were sent.

    The link is shown only to those who see the activity on the console: it opens the account. Other people get the
    same page, whether or not the user exists.
    """
    form, state, transaction = await submitted(request)
    idp, asked = idp_of(request), transaction.request
    client, _ = client_and_api(idp, asked)
    database, email = _database(idp, asked), form.get("email", "").strip()
    if not email:
        return render(request, ResetRequestPage(state, client.name, "", failed=True), status=400)
    user = idp.tenant.user_by_email(email)
    details = "No mail was sent: the offline tenant has none." if user else "No user has this address."
    idp.log.add("scpr", SENT, client=client, user=user, details=details)
    is_shown, ticket = shows_activity(request), None
    if user is not None and is_shown:
        expires_at = idp.clock.now() + TICKET_LIFETIME
        ticket = idp.store.password_tickets.add(PasswordTicket(user.user_id, database.name, state, expires_at))
    return render(request, ResetSentPage(state, email, ticket, is_shown))


@with_error_pages
async def show_new_password(request: Request) -> Response:
    key = request.query_params.get("ticket")
    _, user, database = _redeemed(idp_of(request), key)
    return render(request, NewPasswordPage(key or "", user.email, database.password_policy.rules()))


@with_error_pages
async def submit_new_password(request: Request) -> Response:
    """POST /u/reset-verify: a new password for the user of the ticket, which then is used up."""
    form = single_values(await form_pairs(request))
    idp, key = idp_of(request), form.get("ticket")
    ticket, user, database = _redeemed(idp, key)
    problem = _changed(idp, user, database, form)
    if problem is not None:
        idp.log.add("fcp", "Failed change password", user=user, details=str(Texts("en")(f"signup_problem.{problem}")))
        page = NewPasswordPage(key or "", user.email, database.password_policy.rules(), problem)
        return render(request, page, status=400)
    idp.store.password_tickets.drop(key)
    idp.log.add("scp", "You can now login to the application with the new password.", user=user)
    return render(request, MessagePage("password_changed", f"/u/login?state={ticket.state}"))


def _changed(idp: Idp, user: User, database: Connection, form: dict[str, str]) -> str | None:
    """Change the password; the name of the problem if it cannot be changed."""
    password = form.get("password-reset")
    if password is None:
        return "no_password"
    if password != form.get("re-enter-password"):
        return "mismatch"
    try:
        change_user(idp, user, {"password": password}, database)
    except PasswordRefused as refused:
        return refused.name
    return None


def _database(idp: Idp, asked: AuthorizationRequest) -> Connection:
    database = reset_database(idp, asked)
    if database is None:
        description = "self-service password change is disabled"
        raise PageError("invalid_request", description, Case("password_change_disabled"), guess="change_password")
    return database


def _redeemed(idp: Idp, key: str | None) -> tuple[PasswordTicket, User, Connection]:
    """The ticket, its user and its database. PageError if the ticket is used, expired, or for something deleted."""
    ticket = idp.store.password_tickets.get(key, idp.clock.now())
    user = idp.tenant.users.get(ticket.user_id) if ticket is not None else None
    database = idp.tenant.connections.get(ticket.database) if ticket is not None else None
    if ticket is None or user is None or database is None:
        raise PageError("invalid_request", "This ticket was expired.", Case("ticket_lost"), guess="lost_ticket")
    return ticket, user, database
