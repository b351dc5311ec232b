"""On-Behalf-Of Token Exchange (RFC 8693; Auth0: On-Behalf-Of Token Exchange).

An API receives an access token and exchanges it for a token that calls the next API for the same user. Auth0's Custom
Token Exchange needs the trigger custom-token-exchange, which the offline tenant does not have.
"""

from __future__ import annotations

from typing import Any

from joserfc.jwk import OctKey

from ....errors import GrantNotAllowed, InvalidRequest, OAuthError
from ....formats.parsing import verified_claims
from ....tenant.model import Api
from ...scopes import split_scope
from . import Granted, TokenRequest, authorize_for_user

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type
MAX_DEPTH = 4


class InvalidSubjectToken(OAuthError):
    status = 401
    error = "invalid_request"
    guess = "exchange_subject_token"


def redeem(request: TokenRequest) -> Granted:
    """A token for the next API. Its `act` claim names the client that acts and the clients that acted before."""
    _check_client(request)
    _check_types(request)
    claims = _subject(request, request.required("subject_token"))
    act = _actor(request, claims)
    api = request.api(request.required("audience"))
    # Without `scope`, the token has everything that the user may do at the API.
    scopes = split_scope(request.parameters.get("scope")) or tuple(api.scopes)
    authorization = authorize_for_user(
        request,
        InvalidSubjectToken("Invalid subject token", why="The user of the subject token does not exist."),
        user_id=str(claims["sub"]),
        audience=api.identifier,
        scopes=scopes,
        auth_time=float(claims.get("auth_time", claims["iat"])),
        act=act,
        organization_id=claims.get("org_id"),
    )
    return Granted(authorization, issued_token_type=ACCESS_TOKEN, requested=scopes)


def _check_client(request: TokenRequest) -> None:
    client = request.client
    if client.exchanges_on_behalf and client.auth_method != "none" and client.resource_server_identifier is not None:
        return
    raise GrantNotAllowed(
        GRANT_TYPE,
        why="Only a confidential Custom API Client may exchange: app_type resource_server, resource_server_identifier, "
        "token_exchange.allow_any_profile_of_type with on_behalf_of_token_exchange.",
    )


def _check_types(request: TokenRequest) -> None:
    """Only access tokens are exchanged here, for access tokens."""
    if request.required("subject_token_type") != ACCESS_TOKEN:
        raise InvalidRequest(
            "Invalid subject_token_type",
            guess="exchange_token_type",
            why="Custom token types need the trigger custom-token-exchange, which the offline tenant does not have.",
        )
    if request.parameters.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequest("Invalid requested_token_type", guess="exchange_token_type")


def _subject(request: TokenRequest, token: str) -> dict[str, Any]:
    """The claims of a valid access token for the API that sends it; InvalidSubjectToken otherwise."""
    api = request.idp.tenant.apis.get(request.client.resource_server_identifier or "")
    claims = _verified(request, api, token) if api is not None else None
    if api is None or claims is None or not _is_valid(request, api, claims):
        raise InvalidSubjectToken(
            "Invalid subject token",
            why="It is not an access token of this tenant, has expired, is a machine's, or its audience is not the "
            f"client's own API ({request.client.resource_server_identifier}).",
        )
    return claims


def _verified(request: TokenRequest, api: Api, token: str) -> dict[str, Any] | None:
    if api.signing_alg == "HS256":
        return verified_claims(token, OctKey.import_key(api.signing_secret), ["HS256"])
    return verified_claims(token, request.idp.keys.verification_keys(), [api.signing_alg])


def _is_valid(request: TokenRequest, api: Api, claims: dict[str, Any]) -> bool:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    expires, subject = claims.get("exp"), claims.get("sub")
    if claims.get("iss") != request.issuer or api.identifier not in named:
        return False
    if not isinstance(subject, str) or subject.endswith("@clients"):
        return False
    return isinstance(expires, int) and expires > request.idp.clock.now()


def _actor(request: TokenRequest, claims: dict[str, Any]) -> dict[str, Any]:
    """The `act` claim: the chain of clients that acted, the latest outermost (RFC 8693 section 4.1)."""
    before = claims.get("act") or {"sub": claims.get("azp", claims.get("client_id"))}
    if _depth(claims.get("act")) >= MAX_DEPTH:
        raise InvalidRequest(f"Delegation chain (`act` claim) depth exceeds the maximum allowed limit of {MAX_DEPTH}")
    return {"sub": request.client.client_id, "act": before}


def _depth(act: object) -> int:
    return 1 + _depth(act.get("act")) if isinstance(act, dict) else 0
