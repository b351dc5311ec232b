"""The answers to refused requests: 401, 403, 400 and 503, with headers that tell the client what to do.

A challenge names scopes that the client can request at its provider. Where these are not the permissions themselves, it
also names the permissions, in a parameter of its own.

Sources: RFC 6750 section 3 (Bearer challenges, other auth-params), RFC 9728 section 5.1 (`resource_metadata`), MCP
authorization, "Scope challenge handling" (all scopes of the operation in one challenge).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from starlette.responses import JSONResponse

from .verify.profiles import PROFILES, Profile

# Characters that RFC 6750 section 3 does not allow in error_description.
_NOT_QUOTABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_NOT_STORED = {"Cache-Control": "no-store"}


class Challenges:
    """Builds the refusals of one protected resource.

    Args:
        resource_metadata_url: where the RFC 9728 document is.
        profile: which scopes a client requests for permissions.
    """

    def __init__(self, resource_metadata_url: str, profile: Profile = PROFILES["auth0"]) -> None:
        self._metadata_url = resource_metadata_url
        self._profile = profile
        # There are few different refusals, and a refused client often asks again.
        self._refusal = lru_cache(maxsize=256)(self._build)

    def credentials_missing(self, permissions: Iterable[str]) -> JSONResponse:
        """401 without an error code: the request had no credentials (RFC 6750 section 3.1)."""
        description = "This server needs an access token: Authorization: Bearer <token>."
        return self._refusal(401, None, description, frozenset(permissions))

    def invalid_token(self, description: str, permissions: Iterable[str]) -> JSONResponse:
        """401 `invalid_token`."""
        return self._refusal(401, "invalid_token", description, frozenset(permissions))

    def insufficient_scope(self, missing: Iterable[str], permissions: Iterable[str]) -> JSONResponse:
        """403 `insufficient_scope` with everything that the operation needs. Without `scope` no scope would help."""
        description = f"The token lacks the permission {' '.join(sorted(missing))}."
        return self._refusal(403, "insufficient_scope", description, frozenset(permissions))

    def invalid_request(self, description: str) -> JSONResponse:
        """400 `invalid_request`: the Authorization header is malformed or sent more than once."""
        return self._refusal(400, "invalid_request", description, frozenset())

    def bad_message(self, status: int, description: str) -> JSONResponse:
        """A body that is too large (413), too slow (408) or not one JSON-RPC message (400)."""
        error = {"code": -32600, "message": description}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status, headers=_NOT_STORED)

    def too_many_streams(self) -> JSONResponse:
        """429: the caller has too many open event streams (RFC 6585 section 4)."""
        description = "You have too many open event streams: close one first."
        body = {"error": "too_many_streams", "error_description": description}
        return JSONResponse(body, 429, headers={"Retry-After": "10", **_NOT_STORED})

    def unavailable(self, description: str, retry_after: int) -> JSONResponse:
        """503: the token cannot be verified now. A 401 would make the client discard a token that may be valid."""
        body = {"error": "temporarily_unavailable", "error_description": description}
        return JSONResponse(body, 503, headers={"Retry-After": str(retry_after), **_NOT_STORED})

    def _build(self, status: int, error: str | None, description: str, permissions: frozenset[str]) -> JSONResponse:
        members = {"error": error, "error_description": description} if error else {}
        scopes = self._profile.scopes_for(permissions)
        asked = " ".join([*(self._profile.always if status == 401 else ()), *scopes])
        needed = " ".join(sorted(permissions))
        parameters = {
            **members,
            **({"scope": asked} if asked else {}),
            **({"permission": needed} if needed and needed != " ".join(scopes) else {}),
            "resource_metadata": self._metadata_url,
        }
        challenge = ", ".join(f'{name}="{_NOT_QUOTABLE.sub("?", value)}"' for name, value in parameters.items())
        headers = {"WWW-Authenticate": f"Bearer {challenge}", **_NOT_STORED}
        return JSONResponse(members or {"error_description": description}, status, headers=headers)
