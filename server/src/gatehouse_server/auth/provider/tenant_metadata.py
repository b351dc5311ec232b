"""The tenant's own metadata: for clients of revision 2025-03-26, and to find values that differ by a slash.

Clients of that revision look for the authorization server at the origin of the MCP server (revision 2025-03-26, "Server
metadata discovery", RFC 8414). They follow no redirect, and some accept only values that they know. So the document has
only what such a client may use here: the code flow with PKCE (S256) at the tenant's endpoints.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from random import random
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .backoff import Backoff
from .keys import KeysUnavailable, SigningKeys, url_in

logger = logging.getLogger(__name__)

WELL_KNOWN = "/.well-known/oauth-authorization-server"
_FRESH_SECONDS = 600.0
_FAILURE_SECONDS = 5.0
_NEEDED = ("authorization_endpoint", "token_endpoint")
_OPTIONAL = ("registration_endpoint", "revocation_endpoint", "jwks_uri")
_CLIENT_AUTHENTICATION = ("none", "client_secret_post")


class TenantMetadata:
    """The tenant's discovery document, fetched when it is asked for and cached.

    Args:
        keys: fetches it, within the limits for keys.
        url: of the document.
        chance: a random number from 0 to 1, which spreads the fetches of replicas.
        clock: seconds.
    """

    def __init__(
        self,
        keys: SigningKeys,
        url: str,
        issuer: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random,
    ) -> None:
        self._keys = keys
        self._url = url
        self._issuer = issuer
        self._clock = clock
        self._chance = chance
        self._lock = asyncio.Lock()
        self._document: object = None
        self._until = float("-inf")
        self._backoff = Backoff(_FAILURE_SECONDS, clock=clock, chance=chance)

    async def document(self) -> object:
        """The document; None if it cannot be fetched now."""
        async with self._lock:
            if self._clock() >= self._until and self._backoff.left == 0:
                try:
                    self._document = await self._keys.document(self._url)
                except KeysUnavailable as error:
                    logger.warning("tenant metadata: %s", error)
                    self._backoff.failed(stated=error.retry_after)  # an older document is used for longer
                else:
                    self._backoff.succeeded()
                    self._until = self._clock() + _FRESH_SECONDS * (1 + self._chance())
            return self._document

    @property
    def retry_after(self) -> int:
        """Seconds until the document may be there."""
        return self._backoff.seconds

    async def for_clients(self, scopes: Iterable[str]) -> dict[str, Any] | None:
        """The document for clients of revision 2025-03-26; None if there is none."""
        document = await self.document()
        if not isinstance(document, dict):
            return None
        try:
            endpoints = {name: url_in(document, self._issuer, name) for name in _NEEDED}
            endpoints |= {name: url_in(document, self._issuer, name) for name in _OPTIONAL if name in document}
        except ValueError as error:
            logger.warning("tenant metadata: %s: %s", self._url, error)
            return None
        offered = document.get("token_endpoint_auth_methods_supported")
        methods = [name for name in _CLIENT_AUTHENTICATION if isinstance(offered, list) and name in offered]
        return {
            "issuer": self._issuer,
            **endpoints,
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            **({"token_endpoint_auth_methods_supported": methods} if methods else {}),
            "scopes_supported": sorted(scopes),
        }

    async def slash_warning(self) -> str | None:
        """What to do if the issuer in the document differs from the configured one only by a slash at its end."""
        document = await self.document()
        named = document.get("issuer") if isinstance(document, dict) else None
        return slash_warning("issuer", self._issuer, named, "the tenant's metadata") if isinstance(named, str) else None


def slash_warning(what: str, configured: str, other: str, place: str) -> str | None:
    """One sentence if the two values differ only by a slash at their end."""
    if configured == other or configured.rstrip("/") != other.rstrip("/"):
        return None
    return f"The {what} here is {configured!r}, and in {place} it is {other!r}: they differ by a slash. Use one form."


def tenant_metadata_routes(metadata: TenantMetadata, scopes: Callable[[], Awaitable[Iterable[str]]]) -> list[Route]:
    """The document at the origin of the server."""

    async def answer(_: Request) -> Response:
        document = await metadata.for_clients(await scopes())
        if document is None:
            # Not 404: then such a client guesses URLs at this origin.
            body = {"error": "temporarily_unavailable", "error_description": "The tenant's metadata cannot be had."}
            headers = {"Retry-After": str(metadata.retry_after), "Cache-Control": "no-store"}
            return JSONResponse(body, 503, headers=headers)
        return JSONResponse(document, headers={"Cache-Control": "public, max-age=600"})

    any_origin = [Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"], allow_headers=["*"])]
    methods = ["GET", "OPTIONS"]
    return [Route(WELL_KNOWN + slash, answer, methods=methods, middleware=any_origin) for slash in ("", "/")]
