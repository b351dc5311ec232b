"""What is in a token."""

from __future__ import annotations

import base64
import json
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet


def header_and_claims(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified."""
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    return header, claims


def verified_claims(tenant: Any, token: str) -> dict[str, Any]:
    """The claims of a token that the tenant's published keys verify."""
    keys = KeySet.import_key_set(tenant.http.get("/.well-known/jwks.json").json())
    return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)
