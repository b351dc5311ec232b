"""Access and ID tokens: dialects, RBAC, opaque tokens (Auth0: Access Token Profiles)."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from joserfc import jwe, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, RSAKey
from joserfc.registry import HeaderParameter

from ...actions.outcome import Outcome
from ...state.idp import Idp
from ...state.store import UserinfoClaims
from ...tenant.model import OIDC_SCOPES, Api, Client, Organization, User
from ..custom_claims import CustomClaims, admitted, configured_claims

# joserfc refuses unknown header members. Auth0 puts the issuer into the header.
OPAQUE_HEADERS = jwe.JWERegistry(
    header_registry={"iss": HeaderParameter("Issuer", "str")}, algorithms=["dir", "A256GCM"]
)


@dataclass(frozen=True)
class Authorization:
    """The content of a token: who may do what. Without a user it is a machine's; without an API the token is opaque.

    `auth_time` is Unix time in seconds. `gty` is Auth0's name of the grant, which only some grants put into tokens.
    """

    issuer: str
    client: Client
    scopes: tuple[str, ...]
    api: Api | None = None
    user: User | None = None
    gty: str | None = None
    nonce: str | None = None
    auth_time: float | None = None
    session_id: str | None = None
    act: Mapping[str, Any] | None = None
    organization: Organization | None = None
    action_claims: CustomClaims = field(default_factory=CustomClaims)

    def after(self, outcome: Outcome | None) -> Authorization:
        """With the scopes and claims that Actions changed. An Action gives a strict client no OpenID scopes."""
        if outcome is None:
            return self
        scopes = outcome.scopes(self.scopes)
        if self.client.strict:
            scopes = tuple(scope for scope in scopes if scope not in OIDC_SCOPES)
        return replace(self, scopes=scopes, action_claims=CustomClaims(outcome.access_token, outcome.id_token))

    @property
    def subject(self) -> str:
        return self.user.user_id if self.user is not None else f"{self.client.client_id}@clients"

    @property
    def userinfo(self) -> str:
        return f"{self.issuer}userinfo"


def custom_claims(idp: Idp, authorization: Authorization) -> CustomClaims:
    """The custom claims for both tokens, before Auth0's rules for their names. An Action overrides offline.yaml."""
    configured = configured_claims(idp.tenant, authorization.api, authorization.client, authorization.user)
    return configured.then(authorization.action_claims)


def token_lifetime(idp: Idp, authorization: Authorization) -> int:
    """Seconds until the access token expires."""
    return authorization.api.token_lifetime if authorization.api else idp.behaviours.opaque_lifetime


def access_token(idp: Idp, authorization: Authorization) -> str:
    """A JWT for the API, or an opaque token for /userinfo if there is no API."""
    if authorization.api is None:
        return _opaque_token(idp, authorization)
    return sign(idp, authorization.api, access_token_header(idp, authorization.api), access_claims(idp, authorization))


def access_token_header(idp: Idp, api: Api) -> dict[str, Any]:
    """The header. Its `typ` is `at+jwt` in the rfc9068 dialects (RFC 9068 section 2.1), `JWT` in Auth0's own."""
    typ = "at+jwt" if api.token_dialect.startswith("rfc9068") else "JWT"
    header = {"alg": api.signing_alg, "typ": typ}
    return header if api.signing_alg == "HS256" else {**header, "kid": idp.keys.current.kid}


def access_claims(idp: Idp, authorization: Authorization) -> dict[str, Any]:
    """The claims of a JWT access token in the API's dialect."""
    api, now = authorization.api, idp.clock.token_time()
    assert api is not None
    claims: dict[str, Any] = {
        **admitted(custom_claims(idp, authorization).access_token, api),
        "iss": authorization.issuer,
        "sub": authorization.subject,
        "aud": _audience(authorization, api),
        "iat": now,
        "exp": now + api.token_lifetime,
    }
    if authorization.scopes:
        claims["scope"] = " ".join(authorization.scopes)
    claims |= _dialect_claims(authorization, api) | _organization_claims(idp, authorization)
    if authorization.act is not None:
        claims["act"] = authorization.act
    if api.adds_permissions and (authorization.user is not None or idp.behaviours.machine_permissions):
        claims["permissions"] = _permissions(idp, authorization, api)
    return claims


def sign(idp: Idp, api: Api, header: dict[str, Any], claims: dict[str, Any]) -> str:
    key: RSAKey | OctKey = idp.keys.current.private
    if api.signing_alg == "HS256":
        key = OctKey.import_key(api.signing_secret)
    return jwt.encode(header, claims, key, algorithms=[api.signing_alg])


def id_token(idp: Idp, authorization: Authorization) -> str:
    """An ID token (OpenID Connect Core section 2) for the client."""
    assert authorization.user is not None
    client, now = authorization.client, idp.clock.token_time()
    claims: dict[str, Any] = {
        **profile_claims(authorization.user, authorization.scopes, now),
        **admitted(custom_claims(idp, authorization).id_token),
        "iss": authorization.issuer,
        "aud": client.client_id,
        "sub": authorization.user.user_id,
        "iat": now,
        "exp": now + client.id_token_lifetime,
    }
    if authorization.auth_time is not None:
        claims["auth_time"] = int(authorization.auth_time)
    if authorization.session_id is not None:
        claims["sid"] = authorization.session_id
    if authorization.nonce is not None:
        claims["nonce"] = authorization.nonce
    claims |= _organization_claims(idp, authorization)
    if client.id_token_alg == "HS256":  # noqa: S105 - an algorithm
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(client.secret), algorithms=["HS256"])
    header = {"alg": client.id_token_alg, "kid": idp.keys.current.kid}
    return jwt.encode(header, claims, idp.keys.current.private, algorithms=[client.id_token_alg])


def profile_claims(user: User, scopes: Collection[str], now: float) -> dict[str, Any]:
    """The claims about a user for the scopes, without `sub` (OpenID Connect Core section 5.4)."""
    available = _profile(user, now) | {"email": user.email, "email_verified": user.email_verified}
    names = set(scopes)
    if "profile" in names:
        names |= _profile(user, now).keys()
    if "email" in names:
        names.add("email_verified")
    return {name: value for name, value in available.items() if name in names}


def remember_for_userinfo(idp: Idp, authorization: Authorization, token: str) -> None:
    """Keep the ID token's custom claims for /userinfo with this access token (Auth0: Migrate Custom Claims)."""
    claims = admitted(custom_claims(idp, authorization).id_token)
    if claims and "openid" in authorization.scopes:
        expires_at = idp.clock.now() + token_lifetime(idp, authorization)
        idp.store.userinfo_claims.put(_digest(token), UserinfoClaims(claims, expires_at))


def claims_for_userinfo(idp: Idp, token: str) -> Mapping[str, Any]:
    kept = idp.store.userinfo_claims.get(_digest(token), idp.clock.now())
    return kept.claims if kept is not None else {}


def opaque_claims(idp: Idp, token: str) -> dict[str, Any] | None:
    """The claims of an opaque access token that this tenant issued; None for anything else."""
    try:
        plaintext = jwe.decrypt_compact(token, idp.keys.opaque, registry=OPAQUE_HEADERS).plaintext
        claims = json.loads(plaintext or b"null")
    except (JoseError, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _opaque_token(idp: Idp, authorization: Authorization) -> str:
    now = idp.clock.token_time()
    claims = {
        "iss": authorization.issuer,
        "sub": authorization.subject,
        "aud": [authorization.userinfo],
        "azp": authorization.client.client_id,
        "scope": " ".join(authorization.scopes),
        "iat": now,
        "exp": now + idp.behaviours.opaque_lifetime,
    }
    header = {"alg": "dir", "enc": "A256GCM", "iss": authorization.issuer}
    return jwe.encrypt_compact(header, json.dumps(claims), idp.keys.opaque, registry=OPAQUE_HEADERS)


def _audience(authorization: Authorization, api: Api) -> str | list[str]:
    if "openid" in authorization.scopes:
        return [api.identifier, authorization.userinfo]
    return api.identifier


def _dialect_claims(authorization: Authorization, api: Api) -> dict[str, Any]:
    client_id = authorization.client.client_id
    if api.token_dialect.startswith("rfc9068"):
        return {"client_id": client_id, "jti": secrets.token_urlsafe(16)}
    if authorization.gty is not None:
        return {"azp": client_id, "gty": authorization.gty}
    return {"azp": client_id}


def _permissions(idp: Idp, authorization: Authorization, api: Api) -> list[str]:
    if authorization.user is None:
        return list(authorization.scopes)
    return list(idp.tenant.permissions(authorization.user, api, authorization.organization))


def _organization_claims(idp: Idp, authorization: Authorization) -> dict[str, Any]:
    """`org_id`; also `org_name` if the tenant allows names (Auth0: Use Organization Names in Authentication API)."""
    organization = authorization.organization
    if organization is None:
        return {}
    if idp.tenant.settings.allow_organization_name_in_authentication_api:
        return {"org_id": organization.org_id, "org_name": organization.name}
    return {"org_id": organization.org_id}


def _profile(user: User, now: float) -> dict[str, Any]:
    """The profile claims, with Auth0's defaults for a user who has none."""
    updated = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**user.profile, "updated_at": updated}
