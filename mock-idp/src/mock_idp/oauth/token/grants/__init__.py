"""The grants of the token endpoint, one module each: `redeem` turns a request into the content of a token answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....actions.outcome import Outcome
from ....errors import USER_BLOCKED, AccessDenied, AuthorizationError, InvalidGrant, MissingParameter, OAuthError
from ....state.idp import Idp
from ....tenant.model import Api, Client
from ...audience import user_grant
from ...organizations import not_a_member
from ...scopes import user_scopes
from ..minting import Authorization


@dataclass(frozen=True)
class TokenRequest:
    """A request to the token endpoint from an authenticated client. `ip` is the address of the person or the client."""

    idp: Idp
    issuer: str
    client: Client
    parameters: Mapping[str, str]
    ip: str = ""

    def required(self, name: str) -> str:
        """The parameter; MissingParameter if the request lacks it."""
        value = self.parameters.get(name)
        if value is None:
            raise MissingParameter(name)
        return value

    def api(self, identifier: str) -> Api:
        """The API with this identifier; AccessDenied if there is none."""
        api = self.idp.tenant.apis.get(identifier)
        if api is None:
            raise AccessDenied(f"Service not enabled within domain: {identifier}", why="The tenant has no such API.")
        return api


@dataclass(frozen=True)
class Granted:
    """The content of a token answer. `requested` are the scopes that the client asked for.

    `remark` is for the tenant log: a part of the request that has no effect.
    """

    authorization: Authorization
    refresh_token: str | None = None
    issued_token_type: str | None = None
    requested: tuple[str, ...] = ()
    remark: str = ""


def authorize_for_user(
    request: TokenRequest,
    removed: OAuthError,
    *,
    user_id: str,
    audience: str | None,
    scopes: tuple[str, ...],
    auth_time: float,
    session_id: str = "",
    nonce: str | None = None,
    gty: str | None = None,
    act: Mapping[str, Any] | None = None,
    organization_id: str | None = None,
    outcome: Outcome | None = None,
) -> Authorization:
    """The authorization under the present roles and client grants.

    Raises `removed` if the user, API or organization is gone, InvalidGrant if the user is blocked, AccessDenied if the
    user is no longer a member.
    """
    tenant = request.idp.tenant
    user, api = tenant.users.get(user_id), tenant.apis.get(audience or "")
    organization = tenant.organizations.get(organization_id or "")
    if user is None or (audience is not None and api is None) or (organization_id is not None and organization is None):
        raise removed
    if user.blocked:
        raise InvalidGrant(USER_BLOCKED, why="The user has `blocked: true`.")
    if organization is not None and not organization.has_member(user):
        raise AccessDenied(
            not_a_member(user, organization),
            guess="organization_membership",
            why="The user was a member when the sign-in began.",
        )
    try:
        grant = user_grant(tenant, request.client, api) if api is not None else None
    except AuthorizationError as error:
        raise AccessDenied(error.description, why=error.why) from error
    return Authorization(
        issuer=request.issuer,
        client=request.client,
        user=user,
        api=api,
        scopes=user_scopes(tenant, request.client, user, api, grant, scopes, organization),
        gty=gty,
        nonce=nonce,
        auth_time=auth_time,
        session_id=session_id,
        act=act,
        organization=organization,
    ).after(outcome)
