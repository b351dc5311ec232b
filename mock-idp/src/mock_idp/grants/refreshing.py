"""Refresh tokens, as they are issued with other grants."""

from __future__ import annotations

from ..idp import Idp
from ..minting import Authorization
from ..store import RefreshToken

# Auth0's default lifetime of a refresh token, in seconds.
REFRESH_LIFETIME = 2592000


def issue_refresh_token(idp: Idp, authorization: Authorization, family: str) -> str | None:
    """A new refresh token, if offline access was granted. `family` names the sign-in that it descends from."""
    if "offline_access" not in authorization.scopes or authorization.user is None:
        return None
    record = RefreshToken(
        family=family,
        client_id=authorization.client.client_id,
        user_id=authorization.user.user_id,
        scopes=authorization.scopes,
        audience=authorization.api.identifier if authorization.api else None,
        auth_time=authorization.auth_time or idp.clock.now(),
        session_id=authorization.session_id or "",
        issuer=authorization.issuer,
        expires_at=idp.clock.now() + REFRESH_LIFETIME,
    )
    return idp.store.refresh_tokens.add(record, prefix="v1.")
