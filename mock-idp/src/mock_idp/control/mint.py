"""POST /__mock__/tokens: any access token, valid or invalid."""

from __future__ import annotations

from typing import Any

from joserfc.errors import JoseError
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..oauth.scopes import user_scopes
from ..oauth.token.forging import VARIANTS, KeyChoice, Variant, VariantName, forge
from ..oauth.token.minting import Authorization, access_claims, access_token_header
from ..state.idp import Idp
from ..web.request import NO_STORE, idp_of, issuer_of
from .bodies import Body, ControlError, read_body


class MintBody(Body):
    """The changes to a valid token.

    The token is for `user` (an email address), `client_id` and `audience`. The default is the tenant's first user, API
    and interactive client. `scope` replaces the granted scope. `variant` is a known kind of invalid token. `claims` and
    `header` override members; null removes a member. `key` selects the signing key.
    """

    user: str | None = None
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None
    variant: VariantName | None = None
    claims: dict[str, Any] = Field(default_factory=dict)
    header: dict[str, Any] = Field(default_factory=dict)
    key: KeyChoice | None = None


async def mint(request: Request) -> Response:
    idp = idp_of(request)
    body = await read_body(request, MintBody)
    try:
        token = _token(idp, issuer_of(request), body)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise ControlError(f"Such a token cannot be made: {error}") from error
    return JSONResponse({"token": token}, headers=NO_STORE)


def _token(idp: Idp, issuer: str, body: MintBody) -> str:
    authorization = _authorization(idp, issuer, body)
    variant = VARIANTS[body.variant](idp.clock.token_time()) if body.variant else Variant()
    claims = _overridden(access_claims(idp, authorization), {**variant.claims, **body.claims})
    if body.scope is not None:
        claims["scope"] = body.scope
    assert authorization.api is not None
    typ = access_token_header(idp, authorization.api)["typ"]
    header = {"typ": typ, **variant.header, **body.header}
    return forge(idp.keys, header, claims, body.key or variant.key)


def _authorization(idp: Idp, issuer: str, body: MintBody) -> Authorization:
    tenant = idp.tenant
    api = next(iter(tenant.apis.values()), None) if body.audience is None else tenant.apis.get(body.audience)
    if api is None:
        raise ControlError("audience: no such API in the tenant.")
    user = next(iter(tenant.users.values()), None) if body.user is None else tenant.user_by_email(body.user)
    if user is None:
        raise ControlError("user: no such user in the tenant.")
    interactive = (client for client in tenant.clients.values() if "authorization_code" in client.grant_types)
    client = next(interactive, None) if body.client_id is None else tenant.clients.get(body.client_id)
    if client is None:
        raise ControlError("client_id: no such client in the tenant.")
    scopes = user_scopes(tenant, client, user, api, None, tuple(api.scopes))
    return Authorization(issuer, client, scopes, api=api, user=user)


def _overridden(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**base, **changes}.items() if value is not None}
