"""The gate: only calls that may pass reach the MCP SDK's app."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .challenge import Challenges
from .keys import KeysUnavailable
from .permissions import effective_permissions
from .tokens import TokenRefused, TokenVerifier, VerifiedToken

logger = logging.getLogger(__name__)


class MalformedCredentials(Exception):
    """The Authorization header is there, but not in one clear form."""


class Gate:
    """Pure ASGI middleware. Authenticates every request, asks for the permission, answers refusals itself.

    Args:
        app: what is protected.
        required: permissions that every request needs.
        resource: the protected resource's identifier, for the SDK's own bindings.
    """

    def __init__(
        self, app: ASGIApp, *, verifier: TokenVerifier, challenges: Challenges, required: Iterable[str], resource: str
    ) -> None:
        self._app = AuthContextMiddleware(app)
        self._verifier = verifier
        self._challenges = challenges
        self._required = frozenset(required)
        self._resource = resource

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the gate passes http only, not {scope['type']}")
        refusal = await self._authorize(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _authorize(self, scope: Scope) -> Response | None:
        """Let the request in by filling `scope["user"]`, or return the refusal."""
        try:
            token = _bearer_token(scope)
            if token is None:
                logger.info("refused: no credentials")
                return self._challenges.credentials_missing(self._required)
            verified = await self._verifier.verify(token)
        except MalformedCredentials as error:
            logger.info("refused: malformed credentials: %s", error)
            return self._challenges.invalid_request(str(error))
        except TokenRefused as error:
            logger.info("refused: %s", error)
            return self._challenges.invalid_token(error.description, self._required)
        except KeysUnavailable as error:
            logger.warning("refused: keys unavailable: %s", error)
            return self._challenges.unavailable(error.retry_after)
        permissions = effective_permissions(verified.claims)
        missing = self._required - permissions
        if missing:
            logger.info("refused: %s lacks %s", verified.subject, " ".join(sorted(missing)))
            return self._challenges.insufficient_scope(missing, self._required)
        self._admit(scope, verified, permissions)
        return None

    def _admit(self, scope: Scope, verified: VerifiedToken, permissions: frozenset[str]) -> None:
        scopes = sorted(permissions)
        access_token = AccessToken(
            token=verified.token,
            client_id=verified.client_id,
            scopes=scopes,
            expires_at=verified.expires_at,
            resource=self._resource,
            subject=verified.subject,
            claims=dict(verified.claims),
        )
        scope["user"] = AuthenticatedUser(access_token)
        scope["auth"] = AuthCredentials(scopes)


def _bearer_token(scope: Scope) -> str | None:
    """The token of the one Authorization header, None without a Bearer header (RFC 6750 section 2.1).

    Raises:
        MalformedCredentials: there are two headers, or the Bearer header is not one token.
    """
    values: list[bytes] = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        return None
    if len(values) > 1:
        raise MalformedCredentials("The request has more than one Authorization header.")
    scheme, _, token = values[0].decode("latin-1").strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    if not token or not token.isascii() or any(character.isspace() or character == "," for character in token):
        raise MalformedCredentials("The Authorization header is not of the form: Bearer <token>.")
    return token
