"""Reading JWTs that somebody sent. Whatever is wrong with one, the answer is None."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey, RSAKey

# joserfc raises its own errors for bad tokens, and Python's for bytes that are hardly one.
UNREADABLE = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


def verified_claims(token: str, key: RSAKey | OctKey | KeySet, algorithms: Sequence[str]) -> dict[str, Any] | None:
    """The claims of a JWT that the key signed with one of the algorithms. Times are not checked."""
    try:
        return dict(jwt.decode(token, key, algorithms=list(algorithms)).claims)
    except UNREADABLE:
        return None


def unverified_header(token: str) -> dict[str, Any] | None:
    """The header of a JWT, whoever made it."""
    try:
        return dict(jws.extract_compact(token.encode()).headers())
    except UNREADABLE:
        return None


def unverified_claims(token: str) -> dict[str, Any] | None:
    """The claims of a JWT, whoever made it: only to find out which key to verify it with."""
    try:
        claims = json.loads(jws.extract_compact(token.encode()).payload)
    except UNREADABLE:
        return None
    return claims if isinstance(claims, dict) else None
