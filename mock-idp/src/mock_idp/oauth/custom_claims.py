"""Custom claims in tokens: from `claims:` in offline.yaml, and from Actions (Auth0: Create Custom Claims)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from ..tenant.model import Api, Client, Tenant, User, is_management

# Auth0's list, and `scope`, which has methods of its own in an Action.
_RESERVED = """
    acr act active amr at_hash ath attest aud auth_time authorization_details azp c_hash client_id cnf cty dest
    entitlements events exp groups gty htm htu iat internalService iss jcard jku jti jwe jwk kid may_act mky nbf nonce
    object_id org_id org_name orig origid permissions roles rph s_hash sid sip_callid sip_cseq_num sip_date
    sip_from_tag sip_via_branch sub sub_jwk toe txn typ uuid vot vtm x5t#S256 scope"""
RESERVED = frozenset(_RESERVED.split())
AUTH0_DOMAINS = ("auth0.com", "webtask.io", "webtask.run")
# All custom claims of a sign-in together, as JSON.
MAX_BYTES = 100 * 1024

TokenKind = Literal["access_token", "id_token"]


@dataclass(frozen=True)
class CustomClaims:
    """Custom claims by name, for each of the two tokens."""

    access_token: Mapping[str, Any] = field(default_factory=dict)
    id_token: Mapping[str, Any] = field(default_factory=dict)

    def of(self, kind: TokenKind) -> Mapping[str, Any]:
        return self.access_token if kind == "access_token" else self.id_token

    def then(self, later: CustomClaims) -> CustomClaims:
        """Both together. For a claim in both, the later value counts."""
        return CustomClaims(
            {**self.access_token, **later.access_token},
            {**self.id_token, **later.id_token},
        )

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return sum(len(json.dumps(dict(part)).encode()) for part in (self.access_token, self.id_token) if part)


def configured_claims(tenant: Tenant, api: Api | None, client: Client, user: User | None) -> CustomClaims:
    """The claims that offline.yaml has for an API, a client and a user. The user's count most, then the client's."""
    found = CustomClaims()
    holders = [
        tenant.claims.apis.get(api.identifier) if api else None,
        tenant.claims.clients.get(client.name),
        tenant.claims.users.get(user.email.casefold()) if user else None,
    ]
    for stated in holders:
        if stated is not None:
            found = found.then(CustomClaims(stated.access_token, stated.id_token))
    return found


def admitted(claims: Mapping[str, Any], api: Api | None = None) -> dict[str, Any]:
    """The claims that Auth0 adds to a token. It drops the others without an error. `api` is that of an access token."""
    return {name: value for name, value in claims.items() if _is_admitted(name, api)}


def dropped(claims: CustomClaims, api: Api | None) -> list[str]:
    """The names that are not added to a token, in the words of an Action: `idToken: sub`."""
    return [
        *(f"accessToken: {name}" for name in claims.access_token if not _is_admitted(name, api)),
        *(f"idToken: {name}" for name in claims.id_token if not _is_admitted(name, None)),
    ]


def _is_admitted(name: str, api: Api | None) -> bool:
    if name in RESERVED or not name:
        return False
    if name.startswith("urn:"):
        return name != "urn:auth0" and not name.startswith("urn:auth0:")
    host = _namespace_host(name)
    if host is None:
        # Only namespaced claims are added to tokens for Auth0's own API.
        return api is None or not is_management(api.identifier)
    return not any(host == domain or host.endswith(f".{domain}") for domain in AUTH0_DOMAINS)


def _namespace_host(name: str) -> str | None:
    """The host of a namespace that is a URL; None for a name without a namespace."""
    if not name.startswith(("http://", "https://")):
        return None
    try:
        return (urlsplit(name).hostname or "").casefold()
    except ValueError:
        return ""
