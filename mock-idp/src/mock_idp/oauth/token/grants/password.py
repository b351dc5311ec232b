"""The password grant (RFC 6749 section 4.3), and Auth0's form of it that names the database as `realm`."""

from __future__ import annotations

from ....errors import AttemptsExceeded, DefaultDirectoryMissing, InvalidGrant, InvalidRequest, UserBlocked
from ....state.logins import NO_MAIL, TooManyAttempts, WrongCredentials, authenticated_user
from ....tenant.model import Connection, User
from ...organizations import check_grant
from ...scopes import split_scope
from . import Granted, TokenRequest, authorize_for_user
from .refresh_token import issue_refresh_token

PASSWORD = "password"  # noqa: S105 - a grant type
PASSWORD_REALM = "http://auth0.com/oauth/grant-type/password-realm"  # noqa: S105 - a grant type
GRANT_TYPES = (PASSWORD, PASSWORD_REALM)


def redeem(request: TokenRequest) -> Granted:
    """Tokens for a user's name and password, without a page and without consent.

    Without a requested API scope the client gets all that it may have, because it is trusted with the password
    (Auth0: Authentication API, Resource Owner Password, Get Token).
    """
    idp, parameters = request.idp, request.parameters
    check_grant(request.client, request.required("grant_type"))
    user = _user(request)
    audience = parameters.get("audience") or idp.tenant.settings.default_audience
    api = request.api(audience) if audience else None
    requested = split_scope(parameters.get("scope"))
    implied = tuple(api.scopes) if api is not None and not set(requested) & set(api.scopes) else ()
    authorization = authorize_for_user(
        request,
        InvalidGrant("Wrong email or password."),
        user_id=user.user_id,
        audience=audience,
        scopes=(*requested, *implied),
        auth_time=idp.clock.now(),
        gty="password",
    )
    return Granted(authorization, issue_refresh_token(idp, authorization), requested=requested)


def _user(request: TokenRequest) -> User:
    username, password = request.required("username"), request.required("password")
    database = _database(request)
    try:
        user = authenticated_user(request.idp, username, password, ip=request.ip, databases=[database])
    except WrongCredentials as error:
        why = "The password is wrong." if error.user else "The tenant has no user with this e-mail address."
        raise InvalidGrant("Wrong email or password.", why=why) from error
    except TooManyAttempts as error:
        raise AttemptsExceeded(why=NO_MAIL) from error
    if user.blocked:
        raise UserBlocked
    return user


def _database(request: TokenRequest) -> Connection:
    """The database of the grant. OAuthError if the request names none, or one that the client cannot use."""
    tenant = request.idp.tenant
    with_realm = request.required("grant_type") == PASSWORD_REALM
    name = request.required("realm") if with_realm else tenant.settings.default_directory
    if name is None:
        raise DefaultDirectoryMissing
    if name not in tenant.connections:
        raise InvalidRequest(
            "connection parameter must be valid", guess="password_connection", why=f"There is no database {name!r}."
        )
    if name not in [connection.name for connection in tenant.usable_connections(request.client)]:
        raise InvalidRequest(
            "the connection is not enabled for the client",
            guess="password_connection",
            why=f"enabled_clients of the database {name!r} does not name {request.client.name!r}.",
        )
    return tenant.connections[name]
