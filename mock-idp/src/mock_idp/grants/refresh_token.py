"""RFC 6749 section 6."""

from __future__ import annotations

from ..errors import InvalidRefreshToken
from ..scopes import split_scope
from ..store import RefreshFamily
from . import Granted, TokenRequest
from .delegation import Delegation, authorize
from .refreshing import rotated, usable_token

GRANT_TYPE = "refresh_token"


def redeem(request: TokenRequest) -> Granted:
    """New tokens for a refresh token, and the next refresh token where the client's rotate."""
    idp, sent = request.idp, request.required("refresh_token")
    record, family = usable_token(idp, request.client, sent, request.issuer)
    delegation = Delegation(
        user_id=family.user_id,
        audience=family.audience,
        scopes=_requested(request, family),
        auth_time=family.auth_time,
        session_id=family.session_id,
    )
    gone = InvalidRefreshToken(why="The user or the API was removed since.")
    authorization = authorize(request, delegation, gone, gty=GRANT_TYPE)
    return Granted(authorization, rotated(idp, request.client, record, family), requested=delegation.scopes)


def _requested(request: TokenRequest, family: RefreshFamily) -> tuple[str, ...]:
    """A refresh may ask for less than was granted, never for more (RFC 6749 section 6)."""
    asked = split_scope(request.parameters.get("scope"))
    return tuple(scope for scope in family.scopes if scope in asked) if asked else family.scopes
