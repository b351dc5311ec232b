"""The userinfo endpoint (OpenID Connect Core section 5.3)."""

from __future__ import annotations

from typing import Any

from joserfc.jwk import OctKey
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from ..formats.parsing import verified_claims
from ..state.idp import Idp
from ..web.request import NO_STORE, idp_of, issuer_of, note_client
from .token.minting import claims_for_userinfo, opaque_claims, profile_claims

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Users", error="invalid_token"'}


async def userinfo(request: Request) -> Response:
    """The claims for the access token's scopes; 401 for a token that is not for this endpoint."""
    idp, issuer = idp_of(request), issuer_of(request)
    token = _bearer(request) or ""
    claims = _claims(idp, issuer, token)
    client = idp.tenant.clients.get(str(claims.get("azp", claims.get("client_id")))) if claims else None
    if client is not None:
        note_client(request, client)
    user = idp.tenant.users.get(str(claims.get("sub"))) if claims else None
    if claims is None or user is None:
        if idp.behaviours.userinfo_error == "text":
            return PlainTextResponse("Unauthorized", status_code=401, headers={**NO_STORE, **CHALLENGE})
        body = {"error": "invalid_token", "error_description": "The access token is invalid or expired"}
        return JSONResponse(body, status_code=401, headers={**NO_STORE, **CHALLENGE})
    scopes = str(claims.get("scope", "")).split()
    profile = profile_claims(user, scopes, idp.clock.now())
    answer = {"sub": user.user_id, **profile, **claims_for_userinfo(idp, token)}
    return JSONResponse(answer, headers=NO_STORE)


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _claims(idp: Idp, issuer: str, token: str | None) -> dict[str, Any] | None:
    if not token:
        return None
    claims = opaque_claims(idp, token) or _signed_claims(idp, token)
    if claims is None or claims.get("iss") != issuer:
        return None
    audience = claims.get("aud")
    if not isinstance(audience, list) or f"{issuer}userinfo" not in audience:
        return None
    expires = claims.get("exp")
    return claims if isinstance(expires, int) and expires > idp.clock.now() else None


def _signed_claims(idp: Idp, token: str) -> dict[str, Any] | None:
    claims = verified_claims(token, idp.keys.verification_keys(), ["RS256", "PS256"])
    if claims is not None:
        return claims
    symmetric = [api for api in idp.tenant.apis.values() if api.signing_alg == "HS256"]
    found = (verified_claims(token, OctKey.import_key(api.signing_secret), ["HS256"]) for api in symmetric)
    return next((claims for claims in found if claims is not None), None)
