"""The token endpoint (RFC 6749 section 3.2) and the revocation endpoint (RFC 7009; Auth0: Revoke a Refresh Token)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...errors import (
    AccessDenied,
    AuthorizationPending,
    DpopUnavailable,
    GrantNotAllowed,
    GrantUnavailable,
    InvalidRequest,
    MissingParameter,
    OAuthError,
    ProofRequired,
    SlowDown,
    UnsupportedGrantType,
)
from ...state.idp import Idp
from ...state.tenant_log import EXCHANGES
from ...tenant.model import GRANT_TYPES, Client
from ...web.request import NO_STORE, body_values, idp_of, issuer_of, sender_ip
from ..answers import error_response
from ..clients.authentication import authenticate
from ..custom_claims import MAX_BYTES, dropped
from .actions import after_actions
from .grants import (
    Granted,
    TokenRequest,
    authorization_code,
    client_credentials,
    device_code,
    password,
    refresh_token,
    token_exchange,
)
from .minting import Authorization, access_token, custom_claims, id_token, remember_for_userinfo, token_lifetime

GRANTS: dict[str, Callable[[TokenRequest], Granted]] = {
    module.GRANT_TYPE: module.redeem
    for module in (authorization_code, refresh_token, client_credentials, device_code, token_exchange)
} | dict.fromkeys(password.GRANT_TYPES, password.redeem)
# /authorize plays this grant. The token endpoint has no such grant type.
IMPLICIT = "implicit"
# What a client's grant_types can also name, although discovery does not list it (auth0-python 6.8; Auth0: Passkeys).
UNLISTED = (
    "urn:openid:params:grant-type:ciba",
    "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
    "urn:okta:params:oauth:grant-type:webauthn",
)
MAX_ADDRESS = 45
AUTH0_GRANTS = frozenset({*GRANT_TYPES, *UNLISTED}) - {IMPLICIT}


async def token(request: Request) -> Response:
    """POST /oauth/token: tokens, or a refusal as JSON. The body may be a form or JSON."""
    idp = idp_of(request)
    parameters: dict[str, str] = {}
    try:
        parameters = await body_values(request)
        grant_type = parameters.get("grant_type")
        if grant_type is None:
            raise MissingParameter("grant_type")
        client = authenticate(idp, request, parameters)
        redeem = _grant(grant_type, client.grant_types)
        if "dpop" in request.headers:
            raise DpopUnavailable
        check_client_needs_no_proof(client)
        granted = redeem(TokenRequest(idp, issuer_of(request), client, parameters, _sender(request, client)))
        check_api_needs_no_proof(granted.authorization)
        granted = await after_actions(request, grant_type, granted, parameters)
        _check_custom_claims(idp, granted.authorization)
    except OAuthError as error:
        _log_failure(idp, parameters, error)
        return error_response(idp, error)
    _log_success(idp, grant_type, granted)
    return JSONResponse(token_answer(idp, granted), headers=NO_STORE)


async def revoke(request: Request) -> Response:
    """POST /oauth/revoke: end a refresh token. An unknown token also gets 200. Access tokens cannot be revoked."""
    idp = idp_of(request)
    try:
        parameters = await body_values(request)
        client = authenticate(idp, request, parameters)
        if "token" not in parameters:
            raise MissingParameter("token")
        whole_grant = idp.tenant.settings.revoke_refresh_token_grant
        if not refresh_token.revoke(idp, parameters["token"], client, whole_grant=whole_grant):
            raise InvalidRequest("The token was not issued to this client", guess="revoke_foreign_token")
    except OAuthError as error:
        return error_response(idp, error)
    idp.log.add("srrt", "Successfully revoked a refresh token", client=client)
    return Response(status_code=200, headers=NO_STORE)


def _log_success(idp: Idp, grant_type: str, granted: Granted) -> None:
    authorization = granted.authorization
    code, _ = EXCHANGES[grant_type]
    names = dropped(custom_claims(idp, authorization), authorization.api)
    claims = f"custom claims that Auth0 does not add: {', '.join(names)}" if names else ""
    idp.log.add(
        code,
        "",
        client=authorization.client,
        user=authorization.user,
        audience=authorization.api.identifier if authorization.api else None,
        scopes=authorization.scopes,
        details="; ".join(filter(None, (grant_type, claims, granted.remark))),
    )


def _log_failure(idp: Idp, parameters: Mapping[str, str], error: OAuthError) -> None:
    """A device that must wait is not a failure."""
    if isinstance(error, AuthorizationPending | SlowDown):
        return
    _, code = EXCHANGES.get(parameters.get("grant_type", ""), EXCHANGES["authorization_code"])
    client = idp.tenant.clients.get(parameters.get("client_id", ""))
    audience = parameters.get("audience")
    idp.log.add(error.log_code or code, error.description, client=client, audience=audience, refusal=error)


def check_client_needs_no_proof(client: Client) -> None:
    """ProofRequired if the client gets bound tokens only (Auth0: Configure Sender Constraining)."""
    if client.requires_proof:
        raise ProofRequired(f"The client {client.name!r} has require_proof_of_possession: true.")


def check_api_needs_no_proof(granted: Authorization) -> None:
    """ProofRequired if the API has tokens only that are bound to a key (Auth0: Configure Sender Constraining)."""
    if granted.api is not None and granted.api.requires_proof_of(granted.client):
        raise ProofRequired(f"The API {granted.api.identifier!r} has proof_of_possession: required.")


def _check_custom_claims(idp: Idp, granted: Authorization) -> None:
    size = custom_claims(idp, granted).size
    if size > MAX_BYTES:
        raise AccessDenied(
            "Custom claims exceed the maximum size of 100KB",
            guess="custom_claims_size",
            why=f"The custom claims have {size} bytes; Auth0 allows {MAX_BYTES} for all of a sign-in together.",
        )


def _grant(grant_type: str, allowed: frozenset[str]) -> Callable[[TokenRequest], Granted]:
    """What redeems the grant, if Auth0, the client and the offline tenant have it."""
    if grant_type not in AUTH0_GRANTS:
        raise UnsupportedGrantType(f"Unsupported grant type: {grant_type}")
    if grant_type not in allowed and grant_type != token_exchange.GRANT_TYPE:
        raise GrantNotAllowed(grant_type)
    if grant_type not in GRANTS:
        raise GrantUnavailable(grant_type)
    return GRANTS[grant_type]


def _sender(request: Request, client: Client) -> str:
    """The IP address of the person who signs in, if the client may name it, else of the request.

    Source: Auth0, Avoid Common Issues with Resource Owner Password Flow and Attack Protection.
    """
    forwarded = request.headers.get("auth0-forwarded-for", "").strip()
    if forwarded and client.trusts_ip_header and client.auth_method != "none":
        return forwarded[:MAX_ADDRESS]
    return sender_ip(request)


def token_answer(idp: Idp, granted: Granted) -> dict[str, Any]:
    """The members of a token answer (RFC 6749 section 5.1)."""
    authorization = granted.authorization
    answer: dict[str, Any] = {"access_token": access_token(idp, authorization)}
    remember_for_userinfo(idp, authorization, answer["access_token"])
    if granted.refresh_token is not None:
        answer["refresh_token"] = granted.refresh_token
    if "openid" in authorization.scopes and authorization.user is not None:
        answer["id_token"] = id_token(idp, authorization)
    if idp.behaviours.scope_in_answer == "always" or set(authorization.scopes) != set(granted.requested):
        answer["scope"] = " ".join(authorization.scopes)
    if granted.issued_token_type is not None:
        answer["issued_token_type"] = granted.issued_token_type
    return {**answer, "expires_in": token_lifetime(idp, authorization), "token_type": "Bearer"}
