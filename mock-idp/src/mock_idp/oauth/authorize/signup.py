"""The sign-up page: a person creates an account in a database of the application."""

from __future__ import annotations

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from ...errors import AuthorizationError
from ...explanations import Case
from ...pages.models import SignupPage
from ...pages.rendering import render
from ...pages.texts import Texts
from ...state.idp import Idp
from ...state.store import AuthorizationRequest, Transaction
from ...state.users import MAX_EMAIL, UserExists, add_user, is_email, is_full
from ...tenant.model import Connection, User
from ...tenant.passwords import PasswordRefused
from ...web.cookies import begin_session
from ...web.request import idp_of
from ..answers import redirect, with_error_pages
from .connections import possible_connections
from .consent import client_and_api
from .response import refuse
from .transactions import find_transaction, shows_errors, submitted

Problem = Literal["no_email", "bad_email", "no_password", "exists", "too_many"]


def starts_with_signup(idp: Idp, asked: AuthorizationRequest) -> bool:
    """Whether the request asks for the sign-up page (`screen_hint=signup`, `prompt=create`).

    AuthorizationError if nobody can sign up. Source: Auth0, Universal Login Experience; Initiating User Registration
    via OpenID Connect 1.0.
    """
    wanted = asked.query.get("screen_hint") == "signup" or "create" in asked.prompt
    if wanted and signup_database(idp, asked) is None:
        raise _disabled(idp, asked)
    return wanted


def signup_database(idp: Idp, asked: AuthorizationRequest) -> Connection | None:
    """The database for a new account; None if no database that the person can use allows sign-ups."""
    return next((each for each in possible_connections(idp, asked) if each.signup), None)


@with_error_pages
async def show_signup(request: Request) -> Response:
    state, transaction = find_transaction(request, request.query_params.get("state"))
    database = signup_database(idp_of(request), transaction.request)
    if database is None:
        return _refuse(request, transaction)
    email = transaction.request.login_hint or ""
    return render(request, _page(request, state, transaction, database, email))


@with_error_pages
async def submit_signup(request: Request) -> Response:
    """POST /u/signup: a new user, who is signed in at once."""
    form, state, transaction = await submitted(request)
    idp = idp_of(request)
    client, _ = client_and_api(idp, transaction.request)
    database = signup_database(idp, transaction.request)
    if database is None:
        idp.log.add("fs", "signup is disabled", client=client)
        return _refuse(request, transaction)
    email, password = form.get("email", "").strip(), form.get("password", "")
    problem = _problem(idp, email, password)
    created = problem or _created(idp, database, email, password)
    if not isinstance(created, User):
        idp.log.add("fs", "Failed signup", client=client, details=str(Texts("en")(f"signup_problem.{created}")))
        page = _page(request, state, transaction, database, email, problem=created)
        return render(request, page, status=400)
    transaction.saw_login_page = True
    idp.log.add("ss", "Successful signup", client=client, user=created)
    response = redirect(f"/authorize/resume?state={state}")
    begin_session(request, response, created.user_id)
    return response


def _problem(idp: Idp, email: str, password: str) -> Problem | None:
    if not email:
        return "no_email"
    if not is_email(email):
        return "bad_email"
    if is_full(idp):
        return "too_many"
    return None if password else "no_password"


def _created(idp: Idp, database: Connection, email: str, password: str) -> User | str:
    """The new user, or the name of the problem."""
    try:
        return add_user(idp, database, {"email": email, "password": password})
    except UserExists:
        return "exists"
    except PasswordRefused as refused:
        return refused.name


def _refuse(request: Request, transaction: Transaction) -> Response:
    idp = idp_of(request)
    error = _disabled(idp, transaction.request)
    return refuse(request, transaction.request, error, to_page=shows_errors(idp, transaction))


def _disabled(idp: Idp, asked: AuthorizationRequest) -> AuthorizationError:
    names = tuple(each.name for each in possible_connections(idp, asked))
    case = Case("signup_disabled", connections=names, database=names[0] if names else "")
    return AuthorizationError("invalid_request", "signup is disabled", case)


def _page(
    request: Request,
    state: str,
    transaction: Transaction,
    database: Connection,
    email: str,
    *,
    problem: str | None = None,
) -> SignupPage:
    client, _ = client_and_api(idp_of(request), transaction.request)
    return SignupPage(
        state=state,
        client_name=client.name,
        leads_to=transaction.request.redirect_uri,
        email=email[:MAX_EMAIL],
        rules=database.password_policy.rules(),
        problem=problem,
    )
