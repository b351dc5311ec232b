from __future__ import annotations

from dataclasses import dataclass

from ....errors import AccessDenied, AuthorizationError, OAuthError
from ...audience import user_grant
from ...scopes import user_scopes
from ..minting import Authorization
from . import TokenRequest


@dataclass(frozen=True)
class Delegation:
    """What a user allowed a client: the part that every grant on a user's behalf has in common."""

    user_id: str
    audience: str | None
    scopes: tuple[str, ...]
    auth_time: float
    session_id: str
    nonce: str | None = None


def authorize(
    request: TokenRequest, delegation: Delegation, gone: OAuthError, *, gty: str | None = None
) -> Authorization:
    """The authorization as roles and client grants stand now. Raises `gone` when the user or the API was removed."""
    tenant = request.idp.tenant
    user, api = tenant.users.get(delegation.user_id), tenant.apis.get(delegation.audience or "")
    if user is None or (delegation.audience is not None and api is None):
        raise gone
    try:
        grant = user_grant(tenant, request.client, api) if api is not None else None
    except AuthorizationError as error:
        raise AccessDenied(error.description, why=error.why) from error
    return Authorization(
        issuer=request.issuer,
        client=request.client,
        user=user,
        api=api,
        scopes=user_scopes(tenant, request.client, user, api, grant, delegation.scopes),
        gty=gty,
        nonce=delegation.nonce,
        auth_time=delegation.auth_time,
        session_id=delegation.session_id,
    )
