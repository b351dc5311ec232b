"""The caller that a token identifies, cached so that a repeated token costs almost nothing."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials

from .. import strict_json
from ..permissions import Hierarchy
from .tokens import TokenVerifier, VerifiedToken

_OBJECTS_BYTES = 4096
"""What the objects of a caller have beside its token and claims: scopes, the SDK's models, the entry itself."""


class Caller(NamedTuple):
    """An authenticated caller and its permissions.

    Attributes:
        user: the SDK binds sessions and state to it, and gives it to tools.
    """

    verified: VerifiedToken
    user: AuthenticatedUser
    credentials: AuthCredentials
    permissions: frozenset[str]


class CallerCache:
    """The callers of one resource server, by their tokens. The least recently used ones are dropped first.

    Args:
        resource: the protected resource's identifier, for the SDK's own checks.
        max_callers: how many callers are cached. Expiry and keys are still checked at each use.
        max_bytes: how much memory they may have: tokens and claims can be large.
        on_lookup: called with `hit` or `miss` for every token.
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        *,
        resource: str,
        hierarchy: Hierarchy | None = None,
        max_callers: int = 4096,
        max_bytes: int = 32 * 1024 * 1024,
        on_lookup: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self._verifier = verifier
        self._resource = resource
        # Most tokens have one of a few sets of permissions.
        self._expanded = lru_cache(256)((hierarchy or Hierarchy()).expand)
        self._max_callers = max_callers
        self._max_bytes = max_bytes
        self._bytes = 0
        self._on_lookup = on_lookup
        self._callers: OrderedDict[str, tuple[Caller, int]] = OrderedDict()

    def cached(self, token: str) -> Caller | None:
        """The caller, if the token was verified before and its key is still published.

        Raises:
            TokenRefused: the token has expired since then.
        """
        caller, _ = self._callers.get(token, (None, 0))
        if caller is None or not self._verifier.is_key_current(caller.verified):
            return None
        self._on_lookup("hit")
        self._callers.move_to_end(token)
        self._verifier.check_times(caller.verified)
        return caller

    async def verify(self, token: str) -> Caller:
        """Verify a token that is not cached, and cache its caller.

        Raises:
            TokenRefused: the token is not valid; its `code` says why.
            VerificationUnavailable: the token cannot be verified now.
        """
        self._on_lookup("miss")
        self._drop(token)
        verified = await self._verifier.verify_except_times(token)
        caller = self._caller(verified, token)
        self._add(token, caller)
        self._verifier.check_times(verified)
        return caller

    def _add(self, token: str, caller: Caller) -> None:
        self._drop(token)  # another request may have added it meanwhile
        size = _OBJECTS_BYTES + sys.getsizeof(token) + strict_json.memory(caller.verified.claims)
        self._callers[token] = caller, size
        self._bytes += size
        while len(self._callers) > self._max_callers or self._bytes > self._max_bytes:
            self._drop(next(iter(self._callers)))

    def _drop(self, token: str) -> None:
        _, size = self._callers.pop(token, (None, 0))
        self._bytes -= size

    def _caller(self, verified: VerifiedToken, token: str) -> Caller:
        permissions = self._expanded(verified.granted)
        scopes = sorted(permissions)
        access_token = AccessToken(
            token=token,
            client_id=verified.client_id,
            scopes=scopes,
            expires_at=int(verified.expires_at),
            resource=self._resource,
            subject=verified.subject,
            claims=verified.claims,
        )
        return Caller(verified, AuthenticatedUser(access_token), AuthCredentials(scopes), permissions)
