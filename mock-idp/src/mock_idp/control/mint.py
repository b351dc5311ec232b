"""Tokens without a page: any access token, valid or invalid, and the whole answer to a sign-in."""

from __future__ import annotations

import secrets
from typing import Any

from joserfc.errors import JoseError
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import InvalidGrant
from ..oauth.scopes import split_scope, user_scopes
from ..oauth.token.endpoint import check_api_needs_no_proof, check_client_needs_no_proof, token_answer
from ..oauth.token.forging import VARIANTS, KeyChoice, Variant, VariantName, forge
from ..oauth.token.grants import Granted, TokenRequest, authorize_for_user
from ..oauth.token.grants.refresh_token import issue_refresh_token
from ..oauth.token.minting import Authorization, access_claims, access_token_header
from ..state.idp import Idp
from ..tenant.model import Api, Client, User
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


class SignInBody(Body):
    """A sign-in of `user` (an email address) with `client_id` for `audience`.

    The default is the tenant's first user, API and interactive client. `scope` has the requested scopes; without it
    these are openid, profile, email, offline_access and all scopes of the API.
    """

    user: str | None = None
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None
    nonce: str | None = None


async def sign_in(request: Request) -> Response:
    """POST /__mock__/sign-ins: the token answer that the user's sign-in in a browser would get.

    The user's roles and the client's grants limit it as they limit a sign-in. Consent counts as given. A client or an
    API that needs tokens bound to a key gets none, as at /oauth/token.
    """
    idp = idp_of(request)
    body = await read_body(request, SignInBody)
    api, user, client = _parties(idp, body)
    check_client_needs_no_proof(client)
    scopes = ("openid", "profile", "email", "offline_access", *api.scopes)
    if body.scope is not None:
        scopes = split_scope(body.scope)
    authorization = authorize_for_user(
        TokenRequest(idp, issuer_of(request), client, {}),
        InvalidGrant("The user is gone"),
        user_id=user.user_id,
        audience=api.identifier,
        scopes=scopes,
        auth_time=idp.clock.now(),
        session_id=secrets.token_urlsafe(24),
        nonce=body.nonce,
    )
    check_api_needs_no_proof(authorization)
    granted = Granted(authorization, issue_refresh_token(idp, authorization), requested=scopes)
    return JSONResponse(token_answer(idp, granted), headers=NO_STORE)


async def mint(request: Request) -> Response:
    """POST /__mock__/tokens."""
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
    api, user, client = _parties(idp, body)
    scopes = user_scopes(idp.tenant, client, user, api, None, tuple(api.scopes))
    return Authorization(issuer, client, scopes, api=api, user=user)


def _parties(idp: Idp, body: MintBody | SignInBody) -> tuple[Api, User, Client]:
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
    return api, user, client


def _overridden(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**base, **changes}.items() if value is not None}
