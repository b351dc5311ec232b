"""POST /oauth/revoke (RFC 7009; Auth0: Revoke a Refresh Token)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...errors import InvalidRequest, MissingParameter, OAuthError
from ...web.request import NO_STORE, body_values, idp_of
from ..answers import refused
from ..clients.authentication import authenticate
from .grants.refresh_token import revoke as revoke_refresh_token


async def revoke(request: Request) -> Response:
    """End a refresh token. 200 without a body also for one that is unknown; access tokens cannot be revoked."""
    idp = idp_of(request)
    try:
        parameters = await body_values(request)
        client = authenticate(idp, request, parameters)
        if "token" not in parameters:
            raise MissingParameter("token")
        whole_grant = idp.tenant.settings.revoke_refresh_token_grant
        if not revoke_refresh_token(idp, parameters["token"], client, whole_grant=whole_grant):
            raise InvalidRequest("The token was not issued to this client", guess="revoke_foreign_token")
    except OAuthError as error:
        return refused(idp, error)
    idp.log.add("srrt", "Successfully revoked a refresh token", client=client)
    return Response(status_code=200, headers=NO_STORE)
