"""Refresh tokens (RFC 6749 section 6): issue, rotate, detect reuse (Auth0: Refresh Token Rotation)."""

from __future__ import annotations

import math

from ....errors import InvalidRefreshToken, ReusedRefreshToken
from ....state.idp import Idp
from ....state.store import RefreshFamily, RefreshToken
from ....tenant.model import OIDC_SCOPES, Client
from ...scopes import split_scope
from ..minting import Authorization
from . import Granted, TokenRequest, authorize_for_user

GRANT_TYPE = "refresh_token"


def redeem(request: TokenRequest) -> Granted:
    """New tokens for a refresh token; also the next refresh token if those of the client rotate."""
    idp, sent = request.idp, request.required("refresh_token")
    record, family = usable_token(idp, request.client, sent, request.issuer)
    named = _named_api(request)
    audience = named if named is not None and _may_have(request, named) else family.audience
    scopes = _requested(request, family, audience)
    authorization = authorize_for_user(
        request,
        InvalidRefreshToken(why="The user or the API was removed after the sign-in."),
        user_id=family.user_id,
        audience=audience,
        scopes=scopes,
        auth_time=family.auth_time,
        session_id=family.session_id,
        gty=GRANT_TYPE,
        organization_id=family.organization,
    )
    ignored = named is not None and named != audience
    return Granted(
        authorization,
        rotated(idp, request.client, record, family),
        requested=scopes,
        remark=f"refresh_token.policies of the client do not allow {named}: this token is for the API of the sign-in"
        if ignored
        else "",
    )


def _named_api(request: TokenRequest) -> str | None:
    """The API that the refresh names: `audience`, or `resource` under the compatibility profile."""
    named = request.parameters.get("audience")
    if named is None and request.idp.tenant.settings.resource_parameter_profile == "compatibility":
        named = request.parameters.get("resource")
    return named


def _may_have(request: TokenRequest, audience: str) -> bool:
    """Whether a policy of the client lets its refresh tokens be used for this API.

    The API must skip consent (Auth0: Multi-Resource Refresh Token, Limitations). Without a policy Auth0 ignores the
    audience and issues a token for the API of the sign-in.
    """
    api = request.idp.tenant.apis.get(audience)
    return api is not None and api.skip_consent and audience in request.client.refresh_apis


def _requested(request: TokenRequest, family: RefreshFamily, audience: str | None) -> tuple[str, ...]:
    """The scopes of a refresh: of what was granted and what the policy adds, those that it requests, or all.

    Granted scopes of the sign-in's API do not count for another API, which may have scopes of the same names.
    """
    kept = family.scopes
    if audience != family.audience:
        kept = tuple(scope for scope in kept if scope in OIDC_SCOPES or scope == "offline_access")
    added = sorted(request.client.refresh_apis[audience]) if audience and _may_have(request, audience) else ()
    allowed = tuple(dict.fromkeys((*kept, *added)))
    requested = split_scope(request.parameters.get("scope"))
    return tuple(scope for scope in allowed if scope in requested) if requested else allowed


def issue_refresh_token(idp: Idp, authorization: Authorization) -> str | None:
    """The first refresh token of a sign-in, if offline access was granted."""
    if "offline_access" not in authorization.scopes or authorization.user is None:
        return None
    lifetime = authorization.client.refresh.lifetime
    now = idp.clock.now()
    family = RefreshFamily(
        client_id=authorization.client.client_id,
        user_id=authorization.user.user_id,
        scopes=authorization.scopes,
        audience=authorization.api.identifier if authorization.api else None,
        auth_time=authorization.auth_time or now,
        session_id=authorization.session_id or "",
        issuer=authorization.issuer,
        organization=authorization.organization.org_id if authorization.organization else None,
        expires_at=math.inf if lifetime is None else now + lifetime,
    )
    return _add_token(idp, idp.store.refresh_families.add(family), family)


def usable_token(idp: Idp, client: Client, token: str, issuer: str) -> tuple[RefreshToken, RefreshFamily]:
    """The record of a refresh token that this client may use now; InvalidRefreshToken for any other.

    A token that was rotated is no longer valid. A request with it ends the whole family, because one of the two tokens
    may be stolen. Within the client's leeway the token before the newest one is still accepted.
    """
    now = idp.clock.now()
    record, family = _find(idp, token, now)
    if record is None or family is None:
        raise InvalidRefreshToken(why="It is unknown, has expired, or was revoked.")
    if family.client_id != client.client_id or family.issuer != issuer:
        raise InvalidRefreshToken(why="It was issued to another client or under another issuer.")
    if client.refresh.idle is not None and now - record.used_at > client.refresh.idle:
        raise InvalidRefreshToken(why=f"It was not used for {client.refresh.idle} seconds.")
    if record.rotated_at is not None and not _within_leeway(client, record, family, now):
        idp.store.refresh_families.drop(record.family)
        raise ReusedRefreshToken(why="It was rotated before and was sent again. All tokens of this sign-in end.")
    return record, family


def rotated(idp: Idp, client: Client, record: RefreshToken, family: RefreshFamily) -> str | None:
    """The token that follows `record`; None if the client's tokens do not rotate, so that `record` stays valid."""
    record.used_at = idp.clock.now()
    if not client.refresh.rotates:
        return None
    if record.rotated_at is None:
        record.rotated_at = idp.clock.now()
    family.generation = record.generation + 1
    return _add_token(idp, record.family, family)


def revoke(idp: Idp, token: str, client: Client, *, whole_grant: bool) -> bool:
    """End the family of a token of `client`; with `whole_grant` all families of the same user, client and API.

    False if the token is another client's. Unknown tokens count as revoked (RFC 7009 section 2.2).
    """
    record, family = _find(idp, token, idp.clock.now())
    if record is None or family is None:
        return True
    if family.client_id != client.client_id:
        return False
    idp.store.refresh_families.drop(record.family)
    if whole_grant:
        _drop_grant(idp, family)
    return True


def _find(idp: Idp, token: str, now: float) -> tuple[RefreshToken | None, RefreshFamily | None]:
    record = idp.store.refresh_tokens.get(token, now)
    return record, idp.store.refresh_families.get(record.family, now) if record else None


def _within_leeway(client: Client, record: RefreshToken, family: RefreshFamily, now: float) -> bool:
    if record.rotated_at is None or record.generation != family.generation - 1:
        return False
    return now - record.rotated_at <= client.refresh.leeway and client.refresh.leeway > 0


def _add_token(idp: Idp, family_key: str, family: RefreshFamily) -> str:
    record = RefreshToken(family_key, family.generation, family.expires_at, idp.clock.now())
    return idp.store.refresh_tokens.add(record, prefix="v1.")


def _drop_grant(idp: Idp, revoked: RefreshFamily) -> None:
    holder = (revoked.user_id, revoked.client_id, revoked.audience, revoked.organization)
    for key, family in idp.store.refresh_families.items():
        if (family.user_id, family.client_id, family.audience, family.organization) == holder:
            idp.store.refresh_families.drop(key)
    idp.store.consents.pop(holder, None)
