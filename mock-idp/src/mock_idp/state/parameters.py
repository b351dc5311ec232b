"""The parameters of requests that the tenant plays, and the names in a request that it does not play.

A parameter that is in no table here is listed in the journal and in the log line of its request. So is a new parameter
that nobody thought of. Whoever plays a parameter adds it here: a test compares the tables with the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.datastructures import Headers

from ..tenant.model import GRANT_DEVICE

MAX_NAMES, MAX_LENGTH = 20, 60


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLIENT = _names("client_id client_secret client_assertion client_assertion_type")
AUTHORIZE = _names(
    """audience client_id code_challenge code_challenge_method connection dpop_jkt invitation login_hint max_age
    nonce organization prompt redirect_uri request request_uri resource response_mode response_type scope
    screen_hint state ui_locales"""
)
# Names that are refused in words of their own are played: nothing is ignored.
ENDPOINTS: Mapping[str, frozenset[str]] = {
    "/authorize": AUTHORIZE,
    # As /authorize. A request object or another request_uri is refused.
    "/oauth/par": CLIENT | AUTHORIZE,
    "/oauth/revoke": CLIENT | _names("token token_type_hint"),
    "/oauth/device/code": CLIENT | _names("audience organization resource scope"),
    "/dbconnections/signup": _names(
        """client_id connection email family_name given_name name nickname password phone_number picture user_metadata
        username"""
    ),
    "/dbconnections/change_password": _names("client_id connection email"),
    "/oidc/register": _names("client_name grant_types redirect_uris response_types token_endpoint_auth_method"),
    "/v2/logout": _names("client_id returnTo"),
    "/oidc/logout": _names("client_id id_token_hint logout_hint post_logout_redirect_uri state"),
    "/userinfo": frozenset(),
}
TOKEN = "/oauth/token"  # noqa: S105 - a path
# By grant type. Auth0 does not use `resource` with a code either: /authorize has chosen the API.
GRANTS: Mapping[str, frozenset[str]] = {
    "authorization_code": _names("code code_verifier redirect_uri resource"),
    "refresh_token": _names("audience refresh_token resource scope"),
    "client_credentials": _names("audience organization resource scope"),
    "password": _names("audience password scope username"),
    "http://auth0.com/oauth/grant-type/password-realm": _names("audience password realm scope username"),
    GRANT_DEVICE: _names("device_code"),
    "urn:ietf:params:oauth:grant-type:token-exchange": _names(
        "audience requested_token_type scope subject_token subject_token_type"
    ),
}
# Headers that change what Auth0 does. /oauth/token refuses DPoP in words of its own.
HEADERS = ("dpop", "auth0-forwarded-for")
HEADERS_PLAYED: Mapping[str, frozenset[str]] = {TOKEN: frozenset(HEADERS)}


def names_not_played(path: str, headers: Headers, parameters: Iterable[tuple[str, object]]) -> list[str]:
    """The parameters and headers of a request that the tenant ignores. Empty parameters count as not sent."""
    sent = {name: value for name, value in parameters if value not in (None, "")}
    played = _played(path, sent)
    if played is None:
        return []
    ignored = [name for name in sent if name not in played and not name.startswith("ext-")]
    ignored += [f"{name} (header)" for name in HEADERS if name in headers and name not in HEADERS_PLAYED.get(path, ())]
    return [name[:MAX_LENGTH] for name in ignored[:MAX_NAMES]]


def _played(path: str, sent: Mapping[str, object]) -> frozenset[str] | None:
    if path != TOKEN:
        return ENDPOINTS.get(path)
    grant = GRANTS.get(str(sent.get("grant_type")))
    # An unknown grant type is refused as a whole.
    return None if grant is None else grant | CLIENT | {"grant_type"}
