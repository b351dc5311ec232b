"""RFC 6749 section 6."""

from __future__ import annotations

from ..audience import user_grant
from ..errors import AccessDenied, AuthorizationError, InvalidGrant
from ..minting import Authorization
from ..scopes import split_scope, user_scopes
from ..store import RefreshToken
from . import Granted, TokenRequest
from .refreshing import issue_refresh_token

GRANT_TYPE = "refresh_token"
INVALID_REFRESH_TOKEN = "Unknown or invalid refresh token."  # noqa: S105 - a message


def redeem(request: TokenRequest) -> Granted:
    """New tokens for a refresh token. Clients whose tokens rotate get a new one, and the old one ends."""
    idp, sent = request.idp, request.required("refresh_token")
    record = idp.store.refresh_tokens.get(sent, idp.clock.now())
    if record is None or record.client_id != request.client.client_id or record.issuer != request.issuer:
        raise InvalidGrant(INVALID_REFRESH_TOKEN, why="It is unknown, expired, or another client's.")
    authorization = _authorization(request, record)
    if not _rotates(request):
        return Granted(authorization)
    idp.store.refresh_tokens.drop(sent)
    return Granted(authorization, issue_refresh_token(idp, authorization, record.family))


def _rotates(request: TokenRequest) -> bool:
    return request.client.auth_method == "none" or not request.client.first_party


def _authorization(request: TokenRequest, record: RefreshToken) -> Authorization:
    tenant = request.idp.tenant
    user, api = tenant.users.get(record.user_id), tenant.apis.get(record.audience or "")
    if user is None or (record.audience is not None and api is None):
        raise InvalidGrant(INVALID_REFRESH_TOKEN, why="The user or the API was removed since.")
    try:
        grant = user_grant(tenant, request.client, api) if api is not None else None
    except AuthorizationError as error:
        raise AccessDenied(error.description, why=error.why) from error
    return Authorization(
        issuer=request.issuer,
        client=request.client,
        user=user,
        api=api,
        scopes=user_scopes(tenant, request.client, user, api, grant, _requested(request, record)),
        gty="refresh_token",
        auth_time=record.auth_time,
        session_id=record.session_id,
    )


def _requested(request: TokenRequest, record: RefreshToken) -> tuple[str, ...]:
    """A refresh may ask for less than was granted, never for more (RFC 6749 section 6)."""
    asked = split_scope(request.parameters.get("scope"))
    return tuple(scope for scope in record.scopes if scope in asked) if asked else record.scopes
