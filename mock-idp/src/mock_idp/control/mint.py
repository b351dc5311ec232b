"""POST /__mock__/tokens: any access token, good or hostile."""

from __future__ import annotations

from typing import Any

from joserfc.errors import JoseError
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..forging import KeyChoice, forge
from ..idp import Idp
from ..minting import Authorization, access_claims, access_token_header
from ..scopes import user_scopes
from ..tenant import Client, User
from ..web import NO_STORE, idp_of, issuer_of
from .bodies import BadBody, Body, bad_request, read_body


class MintBody(Body):
    """Starts from a valid token of `user` for the first API. `claims` and `header` override; null removes."""

    claims: dict[str, Any] = Field(default_factory=dict)
    header: dict[str, Any] = Field(default_factory=dict)
    key: KeyChoice = "current"
    user: str | None = None


async def mint(request: Request) -> Response:
    idp = idp_of(request)
    try:
        body = await read_body(request, MintBody)
        authorization = _authorization(idp, issuer_of(request), body.user)
        claims = _overridden(access_claims(idp, authorization), body.claims)
        token = forge(idp.keys, _header(idp, authorization, body), claims, body.key)
    except BadBody as error:
        return bad_request(error)
    except (JoseError, ValueError, TypeError) as error:
        return bad_request(BadBody(f"Such a token cannot be made: {error}"))
    return JSONResponse({"token": token}, headers=NO_STORE)


def _authorization(idp: Idp, issuer: str, email: str | None) -> Authorization:
    api = next(iter(idp.tenant.apis.values()), None)
    user = _user(idp, email)
    client = _client(idp)
    if api is None:
        raise BadBody("The tenant has no API to mint a token for.")
    scopes = user_scopes(idp.tenant, client, user, api, None, tuple(api.scopes))
    return Authorization(issuer, client, scopes, api=api, user=user)


def _user(idp: Idp, email: str | None) -> User:
    user = next(iter(idp.tenant.users.values()), None) if email is None else idp.tenant.user_by_email(email)
    if user is None:
        raise BadBody("user: no such user in the tenant.")
    return user


def _client(idp: Idp) -> Client:
    for client in idp.tenant.clients.values():
        if "authorization_code" in client.grant_types:
            return client
    raise BadBody("The tenant has no client with the grant authorization_code.")


def _header(idp: Idp, authorization: Authorization, body: MintBody) -> dict[str, Any]:
    """The API's `typ`; `alg` and `kid` follow the key unless they are given."""
    assert authorization.api is not None
    typ = access_token_header(idp, authorization.api)["typ"]
    return _overridden({"typ": typ}, body.header)


def _overridden(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**base, **changes}.items() if value is not None}
