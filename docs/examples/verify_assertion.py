"""How a server behind the gate verifies who asks, with PyJWT (pip install 'pyjwt[crypto]')."""

from __future__ import annotations

from typing import Any

import jwt

GATE = "http://localhost:5555"
OWN_URL = "http://127.0.0.1:8000/mcp"

keys = jwt.PyJWKClient(f"{GATE}/.well-known/jwks.json")


def caller(assertion: str) -> dict[str, Any]:
    """The verified claims of the header `Gatehouse-Assertion`: `sub`, `client_id`, `permissions` and others.

    Raises:
        jwt.PyJWTError: the request does not come from the gate, or is too old.
    """
    key = keys.get_signing_key_from_jwt(assertion)
    return jwt.decode(assertion, key, ["ES256"], audience=OWN_URL, issuer=f"{GATE}/mcp")
