"""Sign-up and password reset without a page: /dbconnections/signup and /dbconnections/change_password.

Source: Auth0, Authentication API, Create a New User and Change Password.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from ..errors import InvalidRequest, MissingParameter, OAuthError, Refusal
from ..state.idp import Idp
from ..state.users import PROVIDER, UserExists, add_user, is_email, is_full
from ..tenant.model import Client, Connection, User
from ..tenant.passwords import PasswordRefused
from ..web.request import NO_STORE, form_pairs, idp_of, json_object, media_type, note_client, single_values
from .answers import answer_to, error_response

Body = Mapping[str, Any]
Ask = Callable[[Idp, Client | None, Connection, Body], Response]
PROFILE = ("given_name", "family_name", "name", "nickname", "picture")
ELSEWHERE = ("username", "phone_number")
# Auth0: Create a New User, user_metadata.
MOST_METADATA, LONGEST_NAME, LONGEST_VALUE = 10, 100, 500
RESET_SENT = "We've just sent you an email to reset your password."
NO_MAIL = "The offline tenant sends no mail."


class WrongMember(InvalidRequest):
    guess = "signup_request"


class TooManySignups(WrongMember):
    status = 429
    error = "too_many_requests"

    def __init__(self) -> None:
        super().__init__("Too many signups from the same IP", why="People have created 1000 accounts since the start.")


class SignupRefused(Refusal):
    """A refusal in the form of Auth0's database endpoints: name, code, description and statusCode."""

    name = "BadRequestError"
    error = "invalid_signup"

    def __init__(self, description: Any, *, why: str = "", guess: str | None = None, **members: Any) -> None:  # noqa: ANN401 - JSON
        super().__init__(description, why=why, guess=guess)
        self.members = members


class PasswordNotAllowed(SignupRefused):
    error = "invalid_password"

    def __init__(self, refused: PasswordRefused) -> None:
        members = {"message": refused.message, **({"policy": refused.policy} if refused.policy else {})}
        super().__init__(refused.description, why=f"{refused.name}: {refused.message}", **members)
        self.name = refused.name


async def signup(request: Request) -> Response:
    """POST /dbconnections/signup: a new user of a database, who can sign in at once."""
    return await _answer(request, _sign_up, failed="fs")


async def change_password(request: Request) -> Response:
    """POST /dbconnections/change_password: as if a mail with a link were sent. The answer does not tell who exists."""
    return await _answer(request, _send_reset, failed="fcpr")


async def _answer(request: Request, ask: Ask, *, failed: str) -> Response:
    """The answer of `ask`, or a refusal, which is also an event with the code `failed`."""
    idp = idp_of(request)
    client: Client | None = None
    try:
        body = await _body(request)
        client = _client(request, body)
        return ask(idp, client, _database(request, body), body)
    except SignupRefused as error:
        idp.log.add(failed, str(error.description), client=client, refusal=error)
        return _refused(idp, error)
    except OAuthError as error:
        idp.log.add(failed, error.description, client=client, refusal=error)
        return error_response(idp, error)


def _sign_up(idp: Idp, client: Client | None, database: Connection, body: Body) -> Response:
    user = _created(idp, database, body)
    idp.log.add("ss", "", client=client, user=user, details=f"{NO_MAIL} The address stays unverified.")
    answer = {"_id": user.user_id.removeprefix(PROVIDER), "email": user.email, "email_verified": False}
    return JSONResponse({**answer, **user.stated_profile}, headers=NO_STORE)


def _send_reset(idp: Idp, client: Client | None, database: Connection, body: Body) -> Response:
    email = _required(body, "email")
    if not database.changes_password:
        raise InvalidRequest(
            "self-service password change is disabled",
            guess="change_password",
            why=f"The database {database.name!r} has disable_self_service_change_password: true.",
        )
    user = idp.tenant.user_by_email(email)
    what = f"Set the password with PATCH /api/v2/users/{user.user_id}." if user else "No user has this address."
    idp.log.add("scpr", RESET_SENT, client=client, user=user, details=f"{NO_MAIL} {what}")
    return HTMLResponse(RESET_SENT, headers=NO_STORE)


def _created(idp: Idp, database: Connection, body: Body) -> User:
    email, password = _required(body, "email"), _required(body, "password")
    if not database.signup:
        raise SignupRefused(
            "public signup is disabled",
            guess="signup_disabled",
            why=f"The database {database.name!r} has disable_signup: true.",
        )
    for name in ELSEWHERE:
        if name in body:
            raise InvalidRequest(f"The offline tenant does not have the member {name} of users.")
    if not is_email(email):
        raise WrongMember(f"error in email - email format validation failed: {email[:100]}")
    if is_full(idp):
        raise TooManySignups
    entry = {"email": email, "password": password, **{name: body[name] for name in PROFILE if name in body}}
    if "user_metadata" in body:
        entry["user_metadata"] = _metadata(body["user_metadata"])
    try:
        return add_user(idp, database, entry)
    except UserExists as error:
        raise _exists(idp) from error
    except PasswordRefused as error:
        raise PasswordNotAllowed(error) from error


def _exists(idp: Idp) -> SignupRefused:
    """By default the answer does not say that the user exists (observed: go-auth0's tests)."""
    why = "The tenant has a user with this e-mail address."
    if not idp.tenant.settings.enable_public_signup_user_exists_error:
        return SignupRefused("Invalid sign up", why=why)
    refused = SignupRefused("The user already exists.", why=why)
    refused.error = "user_exists"
    return refused


def _metadata(value: Any) -> dict[str, str]:  # noqa: ANN401 - a JSON value
    if not isinstance(value, dict) or len(value) > MOST_METADATA:
        raise InvalidRequest(
            f"user_metadata must be an object of at most {MOST_METADATA} members", guess="signup_request"
        )
    for name, text in value.items():
        if len(name) > LONGEST_NAME or not isinstance(text, str) or len(text) > LONGEST_VALUE:
            limits = f"names have at most {LONGEST_NAME} characters, values are texts of at most {LONGEST_VALUE}"
            raise WrongMember(f"user_metadata: {limits}")
    return value


async def _body(request: Request) -> dict[str, Any]:
    """The members of a JSON or form body that are not empty. Only user_metadata may be an object."""
    if media_type(request) != "application/json":
        return dict(single_values(await form_pairs(request)))
    body = {name: value for name, value in (await json_object(request)).items() if value not in (None, "")}
    for name, value in body.items():
        if name != "user_metadata" and not isinstance(value, str):
            raise InvalidRequest(f"Parameter must be a string: {name}", guess="malformed_request")
    return body


def _required(body: Body, name: str) -> str:
    if name not in body:
        raise MissingParameter(name)
    return str(body[name])


def _client(request: Request, body: Body) -> Client | None:
    """The application that the request names. It does not prove to be it, as in a page of another origin."""
    if "client_id" not in body:
        return None
    client = idp_of(request).tenant.clients.get(body["client_id"])
    if client is None:
        raise WrongMember(f"Unknown client: {body['client_id'][:100]}")
    note_client(request, client)
    return client


def _database(request: Request, body: Body) -> Connection:
    """The database that the request names, if the client may use it."""
    tenant, name = idp_of(request).tenant, _required(body, "connection")
    client = tenant.clients.get(body.get("client_id", ""))
    usable = tenant.usable_connections(client) if client is not None else list(tenant.connections.values())
    found = next((each for each in usable if each.name == name), None)
    if found is None and name in tenant.connections:
        raise WrongMember("the connection is not enabled", why="Its enabled_clients do not name the client.")
    if found is None:
        raise WrongMember("the connection was not found", why=f"There is no database {name[:100]!r}.")
    return found


def _refused(idp: Idp, error: SignupRefused) -> Response:
    answer = answer_to(idp, error)
    body = {"name": error.name, "code": answer.error, "description": answer.description, "statusCode": answer.status}
    return JSONResponse({**error.members, **body}, status_code=answer.status, headers=NO_STORE)
